"""Everything recorded by hand: calls with and without a cost, steps, scores of all three kinds, tags."""

import asyncio

import truth
import waxell_observe as waxell
from waxell_observe import WaxellContext

waxell.init()


@waxell.observe(agent_name="by-hand")
async def by_hand(question: str, waxell_ctx=None) -> str:
    with truth.run("by-hand", session="manual", user="u-manual"):
        waxell_ctx.record_step("prepare", {"tokens": 999})
        waxell_ctx.record_llm_call(model="gpt-4o", tokens_in=150, tokens_out=25, task="answer")
        truth.call("gpt-4o", 150, 25)
        # Its cost is what the program says, whatever the list says.
        waxell_ctx.record_llm_call(model="gpt-4", tokens_in=78, tokens_out=8, cost=0.9, task="judge")
        truth.call("gpt-4", 78, 8, cost=0.9)
        # A model that nobody sells has no price, not the price zero.
        waxell_ctx.record_llm_call(model="in-house-7b", tokens_in=300, tokens_out=100)
        truth.call("in-house-7b", 300, 100, cost=None)
        waxell.step("finish", {"cost": 123.0})
        waxell.tag("session_id", "a decoy")
        waxell.metadata("attempt", 3)
        waxell.score("helpfulness", 0.75)
        truth.score("helpfulness", 0.75)
        waxell.score("label", "good", "categorical", comment="by a rule")
        truth.score("label", "good")
        waxell.score("resolved", True, "boolean")
        truth.score("resolved", True)
        return "done"


async def main():
    await by_hand("why?", session_id="manual", user_id="u-manual")
    # Two equal calls by hand are two calls.
    with truth.run("in-context", session="manual", user="u-manual"):
        async with WaxellContext(agent_name="in-context", session_id="manual", user_id="u-manual") as ctx:
            for _ in range(2):
                ctx.record_llm_call(model="gpt-4o-mini", tokens_in=10, tokens_out=5, task="classify")
                truth.call("gpt-4o-mini", 10, 5)
            ctx.record_score("helpfulness", 0.25)
            truth.score("helpfulness", 0.25)
            ctx.set_result({"output": "ok"})


asyncio.run(main())
