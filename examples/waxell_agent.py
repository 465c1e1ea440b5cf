"""Two agents in one session, observed by the Waxell SDK: a planner that asks a researcher, both with OpenAI's client.

    pip install waxell-observe openai
    python3 examples/waxell_agent.py

Then http://127.0.0.1:8080/sessions/trip-lisbon shows two runs, the researcher's inside the planner's, with the tokens of three model calls
and their cost, which the SDK states. WAXELL_API_URL names a server elsewhere; any key will do where the server has none.
"""

import asyncio
import os

import model

os.environ.setdefault("WAXELL_API_URL", "http://127.0.0.1:8080")
os.environ.setdefault("WAXELL_API_KEY", "any")

import waxell_observe as waxell

waxell.init()  # before the client is imported, so that the SDK sees its calls

import openai

client = openai.AsyncOpenAI(base_url=model.base_url())


async def ask(instructions, text):
    messages = [{"role": "system", "content": instructions}, {"role": "user", "content": text}]
    answer = await client.chat.completions.create(model=model.MODEL, messages=messages)
    return answer.choices[0].message.content


@waxell.observe(agent_name="researcher")
async def research(city):
    return await ask("You know cities.", "What should I see in %s?" % city)


@waxell.observe(agent_name="planner")
async def plan(city):
    outline = await ask("You plan trips, in three lines.", "A weekend in %s, please." % city)
    # The researcher is called inside the planner's run, and is in its session without being told.
    sights = await research(city)
    return await ask("You merge notes into one plan.", outline + "\n" + sights)


# Session and user are of the call, not of the function: the next one may be another conversation.
print(asyncio.run(plan("Lisbon", session_id="trip-lisbon", user_id="ann")))
