# SPDX-License-Identifier: Apache-2.0
"""A surface of a running service, as something to evaluate."""

from __future__ import annotations

import http.client
import json
import threading
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any
from urllib.parse import urlsplit

import numpy as np

from .._errors import InvalidArgumentError, SourceError


class Surface:
    """Asks ``POST /v1/recommend`` for each user.

    :param url: of the service.
    :param surface: its name in ``weir.yaml``.
    """

    def __init__(self, url: str, surface: str, token: str | None = None) -> None:
        parts = urlsplit(url)
        if parts.scheme not in ("http", "https") or not parts.hostname:
            raise InvalidArgumentError(
                f"{url!r} is no address of a service: write http://host:port"
            )
        self._parts, self.surface, self._token = parts, surface, token
        self._local = threading.local()

    def recommend(self, user: object, count: int, **more: Any) -> dict[str, Any]:
        """The answer to one request."""
        body = json.dumps({"surface": self.surface, "user": user, "count": count, **more})
        headers = {"Content-Type": "application/json"}
        if self._token:
            headers["Authorization"] = f"Bearer {self._token}"
        for attempt in (1, 2):
            connection = self._connection()
            try:
                connection.request("POST", "/v1/recommend", body, headers)
                response = connection.getresponse()
                answer = response.read()
                break
            except (OSError, http.client.HTTPException) as error:
                connection.close()
                self._local.connection = None
                if attempt == 2:
                    raise SourceError(f"the service does not answer: {error}") from error
        if response.status != 200:
            raise SourceError(f"status {response.status}: {answer.decode(errors='replace')[:300]}")
        result: dict[str, Any] = json.loads(answer)
        return result

    def lists(
        self, users: Sequence[object], item_ids: Any, count: int, threads: int = 2
    ) -> tuple[list[list[int]], dict[str, int]]:
        """For each user the numbers of the items recommended, and how often which source gave them.

        Items that nobody met in the events evaluated have the number -1: they are no hits.
        """
        numbers = {value: number for number, value in enumerate(np.asarray(item_ids).tolist())}
        sources: dict[str, int] = {}

        def ask(user: object) -> list[dict[str, Any]]:
            found: list[dict[str, Any]] = self.recommend(user, count)["items"]
            return found

        with ThreadPoolExecutor(threads) as pool:
            answers = list(pool.map(ask, users))
        for items in answers:
            for item in items:
                source = str(item.get("source"))
                sources[source] = sources.get(source, 0) + 1
        return [[numbers.get(item["item"], -1) for item in items] for items in answers], sources

    def _connection(self) -> http.client.HTTPConnection:
        connection: http.client.HTTPConnection | None = getattr(self._local, "connection", None)
        if connection is None:
            kind = (
                http.client.HTTPSConnection
                if self._parts.scheme == "https"
                else http.client.HTTPConnection
            )
            connection = kind(self._parts.hostname or "", self._parts.port, timeout=60)
            self._local.connection = connection
        return connection
