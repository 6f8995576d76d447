"""The routes of the app. `streaming_chat` has the rest; its names follow one message through it."""

import os

import azure.functions as func
from azure_functions_logging import setup_logging, with_context
from azure_functions_openapi import openapi, render_swagger_ui
from azure_functions_validation import validate_http

from streaming_chat import openapi as description
from streaming_chat.contract import StreamQuery, StreamRequest, StrictJson
from streaming_chat.http_bridge import EventStream, problem_document, streamed
from streaming_chat.service import ChatService

setup_logging()

app = func.FunctionApp(http_auth_level=func.AuthLevel.FUNCTION)
chat = ChatService(os.environ)


@app.route(route="stream", methods=["POST"])
@streamed
@with_context
@openapi(**description.STREAM)
@validate_http(
    body=StreamRequest,
    query=StreamQuery,
    adapter=StrictJson(),
    error_formatter=problem_document,
    require_json_content_type=True,
)
async def stream_chat(
    req: func.HttpRequest, body: StreamRequest, query: StreamQuery, context: func.Context
) -> func.HttpResponse:
    """The answer of the chat deployment as Server-Sent Events."""
    return EventStream(chat.answer(body, query, request_id=context.invocation_id))


@app.route(route="health", methods=["GET"], auth_level=func.AuthLevel.ANONYMOUS)
@streamed
@with_context
@openapi(**description.HEALTH)
async def health(req: func.HttpRequest, context: func.Context) -> func.HttpResponse:
    """200 when the app can be used, 503 with the setting's name when it is misconfigured."""
    chat.check()
    return func.HttpResponse('{"status": "ok"}', mimetype="application/json")


@app.route(route="openapi.json", methods=["GET"], auth_level=func.AuthLevel.ANONYMOUS)
@streamed
@with_context
async def openapi_json(req: func.HttpRequest, context: func.Context) -> func.HttpResponse:
    """The API's description, OpenAPI 3.1."""
    return func.HttpResponse(description.document(), mimetype="application/json")


@app.route(route="docs", methods=["GET"], auth_level=func.AuthLevel.ANONYMOUS)
@streamed
@with_context
async def docs(req: func.HttpRequest, context: func.Context) -> func.HttpResponse:
    """The description as a page. Its script and style are pinned, by version and by hash."""
    return render_swagger_ui(description.TITLE, "/api/openapi.json")
