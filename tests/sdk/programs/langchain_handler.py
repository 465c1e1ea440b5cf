"""LangChain with the SDK's callback handler instead of a decorator: the run is the handler's, and no span says so."""

import truth
import waxell_observe as waxell

waxell.init()

from langchain_core.prompts import ChatPromptTemplate
from langchain_openai import ChatOpenAI
from waxell_observe.integrations.langchain import WaxellLangChainHandler

chain = ChatPromptTemplate.from_messages([("user", "{question}")]) | ChatOpenAI(model="gpt-4o")


def ask(handler, question):
    answer = chain.invoke({"question": question}, config={"callbacks": [handler]})
    truth.call("gpt-4o", answer.usage_metadata["input_tokens"], answer.usage_metadata["output_tokens"])
    return answer.content


for n in range(2):
    with truth.run("lc-agent", session="handled", user="u-lc"):
        handler = WaxellLangChainHandler(agent_name="lc-agent", session_id="handled", user_id="u-lc")
        text = ask(handler, "first [[in=%d,out=11]]" % (70 + n))
        text = ask(handler, "second [[in=%d,out=12]]" % (80 + n))
        handler.flush_sync(result={"output": text})
