"""What the simulator says: fixed answers on the topics of the project, cut into tokens."""

import re
from collections.abc import Sequence
from dataclasses import dataclass

SCALING_QUESTION = "Explain Azure Functions scaling in three short points."

# Cut by hand, with trailing spaces: the documentation shows these deltas.
SCALING_TOKENS = (
    "Azure Functions ",
    "scales automatically ",
    "on the ",
    "Flex Consumption ",
    "plan:\n\n",
    "1. ",
    "Out: ",
    "more instances ",
    "start when ",
    "requests exceed ",
    "the HTTP ",
    "concurrency set ",
    "per instance, ",
    "up to ",
    "a limit ",
    "of at most ",
    "1000 instances.\n",
    "2. ",
    "To zero: ",
    "idle instances ",
    "are removed; ",
    "always-ready instances ",
    "stay and ",
    "answer without ",
    "a cold start.\n",
    "3. ",
    "By size: ",
    "each instance ",
    "has 512, ",
    "2048 or ",
    "4096 MB ",
    "of memory, ",
    "with CPU ",
    "in proportion.",
)


@dataclass(frozen=True)
class _Topic:
    words: str  # a regular expression; the topic with the most different matches answers
    answer: str


# The first topic wins a tie.
_TOPICS = (
    _Topic(
        r"who are you|what are you|your name|are you (?:a|an) \w+|which model|what model|simulator",
        "I am the local simulator of Azure OpenAI that belongs to this project, and no language model. My "
        "answers are fixed texts, chosen by the words of your message and sent token by token as the real "
        "service would send them. Nothing leaves your machine and nothing costs money. Send `simulate: ?` "
        "to see the stream shapes and faults that I can play.",
    ),
    _Topic(
        r"cold starts?|cold|warm|start-?up|always.ready|latency|slow",
        "A cold start is the time that a new instance needs before it serves its first request: the platform "
        "assigns a worker, mounts the package, starts Python and imports the app. Import only what the first "
        "request needs, keep the package small and build clients once per process. On Flex Consumption, "
        "always-ready instances remove most cold starts for a fixed price; the rest of the load still scales "
        "on demand.",
    ),
    _Topic(
        r"scal\w+|flex|consumption|instances?|concurrency|load",
        "On the Flex Consumption plan, Azure Functions adds instances when concurrent requests exceed the "
        "HTTP concurrency that is set per instance, and removes them when they are idle, down to zero. "
        "Python apps should set that concurrency themselves, because the default is one request per instance "
        "and an open stream counts as a request. The number of instances has a limit that you choose, at "
        "most 1000, and an instance has 512, 2048 or 4096 MB of memory.",
    ),
    _Topic(
        r"server.sent events?|sse|stream\w*|tokens?|event.stream|keep.alive",
        "Server-Sent Events are plain text over one HTTP response with the content type text/event-stream. "
        "Each event is one or more lines that begin with `data:`, and a blank line ends it. The function "
        "forwards every delta as soon as Azure OpenAI sends it, so the reader sees words while the answer is "
        "still being written. Lines that begin with a colon are comments; they keep an idle connection open "
        "through load balancers.",
    ),
    _Topic(
        r"managed identit\w+|identit\w+|api.keys?|keys?|credentials?|passwords?|entra|token providers?",
        "A managed identity lets the function app sign in to Azure OpenAI without a key. The platform gives "
        "the app a local token endpoint; DefaultAzureCredential asks it for a token for Cognitive Services, "
        "and the role Cognitive Services OpenAI User allows the call. There is no secret to store, rotate or "
        "leak, and key access can be switched off on the account. A user-assigned identity can have its "
        "roles before the app exists.",
    ),
    _Topic(
        r"key ?vault|vaults?|secrets?|certificates?|rotat\w+",
        "Azure Key Vault keeps secrets, keys and certificates outside the app. With role-based access, the "
        "identity of the function app needs Key Vault Secrets User to read a secret, and an app setting can "
        "point at it with a Key Vault reference. The best secret is still none at all: calls to Azure OpenAI "
        "and to storage can use a managed identity, so that the vault holds only what other systems insist "
        "on.",
    ),
    _Topic(
        r"bicep|azd|deploy\w*|templates?|infrastructure|provision\w*",
        "Bicep describes the Azure resources, and the Azure Developer CLI runs the whole way: `azd up` "
        "packages the app, provisions the resources from the Bicep files and deploys the code. Parameters "
        "come from the azd environment, so that development and production differ in values and not in "
        "templates. `azd provision` changes the infrastructure alone, `azd deploy` the code alone, and "
        "`azd down` removes everything again.",
    ),
    _Topic(
        r"costs?|pric\w+|cheap\w*|expensive|billing|money|budget",
        "Two things cost money here. Flex Consumption bills executions and the memory of an instance for the "
        "time in which it runs at least one of them, so several streams that share an instance are "
        "cheaper than one instance each. Azure OpenAI bills input and output tokens, so a long history is "
        "paid for again with every question. Limit the tokens of an answer, cap the log volume per day, and "
        "set a budget with alerts.",
    ),
    _Topic(
        r"python|asyncio|async|await|coroutines?|pip|uv",
        "In Python, a function that streams is a coroutine that returns a response with an async generator. "
        "While one stream waits for its next token, the event loop serves the others, so one worker holds "
        "many streams at once. Do not block the loop: use async clients, and move heavy work to a thread. "
        "Build the clients once per process, pass a deadline to every call, and close the upstream response "
        "when the reader leaves.",
    ),
    _Topic(
        r"hello|hi|hey|good (?:morning|afternoon|evening)|thanks|thank you",
        "Hello! The local simulator is answering, and no language model: the words that you see arrive as a "
        "real stream, one token at a time, but they come from a fixed list. Ask about scaling, cold starts, "
        "streaming, managed identities, Key Vault, Bicep, cost or Python, or send `simulate: ?` to see which "
        "streams and faults I can play for you.",
    ),
)


def answer(questions: Sequence[str]) -> tuple[str, ...]:
    """The tokens of the answer to the last of the user's messages; the same for the same messages."""
    message = questions[-1] if questions else ""
    told = SCALING_TOKENS if message == SCALING_QUESTION else tokens(_text(message))
    return told + tokens(_history(len(questions) - 1))


def tokens(text: str) -> tuple[str, ...]:
    """Cuts a text as a tokeniser does, roughly: words with the white space before them."""
    return tuple(re.findall(r"\s*\S+|\s+$", text))


def _text(message: str) -> str:
    scores = [(len(set(re.findall(rf"\b(?:{t.words})\b", message.lower()))), t.answer) for t in _TOPICS]
    score, best = max(scores, key=lambda scored: scored[0])
    return best if score else _general(message)


def _general(message: str) -> str:
    """Takes up the message's own longest words, in their order."""
    words = list(dict.fromkeys(re.findall(r"[^\W\d_]{4,}", message)))
    longest = sorted(words, key=len, reverse=True)[:3]
    subject = ", ".join(word for word in words if word in longest)
    about = f"Your message is about: {subject}." if subject else "Your message has no longer words."
    return (
        f"{about} A local simulator is answering, and it knows nothing of the matter: a deployed app would "
        "send the same request to a model in Azure OpenAI and stream its answer back in the same way, token "
        "by token. Ask about scaling, cold starts, streaming, managed identities, Key Vault, Bicep, cost or "
        "Python to get a real answer, or send `simulate: ?`."
    )


def _history(earlier: int) -> str:
    if earlier < 1:
        return ""
    return f"\n\nYou asked {earlier} question{'s' if earlier > 1 else ''} before this one."
