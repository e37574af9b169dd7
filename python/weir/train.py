# SPDX-License-Identifier: Apache-2.0
"""``python -m weir.train``: trains a project's model on its examples, and publishes it.

First in batch, on a snapshot of the examples; with ``--online`` then without end on their stream.
See docs/training.md.
"""

from __future__ import annotations

import argparse
import json
import signal
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ._catalog import Catalog, connect
from ._errors import InvalidArgumentError, NotFoundError, WeirError

if TYPE_CHECKING:
    from .torch._model import Model
    from .torch._publish import Publisher, Texts


def main(arguments: list[str] | None = None) -> int:
    """Runs the command; returns its exit status."""
    options = _parser().parse_args(arguments)
    try:
        return _Command(options).run()
    except ModuleNotFoundError as error:
        print(f"error: {error}; training needs: pip install 'weir[torch]'", file=sys.stderr)
        return 1
    except (WeirError, ImportError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 1


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="weir train", description="Train a project's model on its examples, and publish it."
    )
    add = parser.add_argument
    add("model", nargs="?", help="its name in weir.yaml; not needed when there is one")
    add("--project", type=Path, default=Path(), help="the project's folder or its weir.yaml (.)")
    add("--url", help="where 'weir up' serves; what weir.yaml says by default")
    add("--token", help="for the service")
    add("--online", action="store_true", help="go on with the stream of examples, without end")
    add("--fresh", action="store_true", help="train anew, whatever was trained before")
    add("--state", type=Path, help="folder of checkpoints (training in the project's data folder)")
    add("--seed", type=int, default=0)
    add("--epochs", type=int, help="of the retriever (5)")
    add("--holdout", type=float, help="share of the latest examples that figures are from (0.1)")
    add("--repeats", action="store_true", help="learn from items of the user's history, too")
    add("--interval", type=float, default=5.0, help="seconds between online publications (5)")
    add("--idle", type=float, help="end online training when nothing came for so many seconds")
    add("--wait", type=float, default=90.0, help="seconds to wait for the examples' flush (90)")
    add("--threads", type=int, default=1, help="of PyTorch (1)")
    add("--json", action="store_true", help="print the result as JSON on standard output")
    return parser


class _Command:
    def __init__(self, options: argparse.Namespace) -> None:
        self.options = options
        self.began = time.monotonic()
        self.stopped = False

    def run(self) -> int:
        # Not before the arguments were understood: this takes seconds.
        import torch

        from .torch import _definition, _export
        from .torch._publish import Publisher
        from .torch._trainer import Options

        options = self.options
        torch.set_num_threads(options.threads)
        _export.require_exporter()
        project = _definition.read_project(options.project)
        with connect(self._url(project), **self._properties()) as catalog:
            definition = _definition.definition(
                project, options.model, lambda name: _schema(catalog, name)
            )
            self.definition, self.catalog = definition, catalog
            self.path = self._state(project) / f"{definition.name}.pt"
            self.training = Options(seed=options.seed, repeats=options.repeats)
            if options.epochs is not None:
                self.training.retriever_epochs = options.epochs
            if options.holdout is not None:
                self.training.holdout = options.holdout
            with (
                self._stream(definition.name) as registry,
                self._stream(definition.embeddings) as embeddings,
            ):
                publisher = Publisher(registry, embeddings)
                restored = self._restore(publisher) if options.online else None
                if restored is None:
                    restored = self._batch(publisher)
                if options.online:
                    self._online(publisher, *restored)
        return 0

    def _batch(self, publisher: Publisher) -> tuple[Model, dict[str, Any]]:
        """Trains on the table as it is, and publishes."""
        from .torch._dataset import _offsets
        from .torch._publish import lineage
        from .torch._trainer import Trainer

        self._await_flush()
        table = self.catalog.table(self.definition.examples)
        trainer = Trainer(self.definition, table, self.training, self.say)
        model = trainer.run()
        position = _offsets(table.metadata, trainer.snapshot, required=False)
        made_of = lineage(model, trainer.snapshot, position, self.training.seed, "batch")
        version = publisher.publish_all(model, made_of, trainer.metrics, self._texts(table))
        state = {
            "snapshot": trainer.snapshot,
            "position": position,
            "embeddings_from": publisher.embeddings_from,
            "graph_version": publisher.graph_version,
        }
        model.save(self.path, state)
        self.say(f"{self.definition.name}: version {version} is published")
        if self.options.json:
            print(json.dumps({"version": version, "lineage": made_of, "metrics": trainer.metrics}))
        return model, {**state, "restored": False}

    def _restore(self, publisher: Publisher) -> tuple[Model, dict[str, Any]] | None:
        """What was trained before, if it fits and its version is there."""
        from .torch._model import Model

        if self.options.fresh or not self.path.exists():
            return None
        try:
            model, state = Model.load(self.path, self.definition)
        except InvalidArgumentError as error:
            self.say(str(error))
            return None
        if publisher.next_version() <= state["graph_version"]:
            self.say(f"{self.path} is of a registry that is gone: training anew")
            return None
        publisher.adopt(state["embeddings_from"], state["graph_version"])
        self.say(f"going on from {self.path}")
        return model, {**state, "restored": True}

    def _online(self, publisher: Publisher, model: Model, state: dict[str, Any]) -> None:
        from .torch._online import Online
        from .torch._tail import Source, Tail

        for name in (signal.SIGTERM, signal.SIGINT):
            signal.signal(name, self._stop)
        table = self.catalog.table(self.definition.examples)
        while not self.stopped:
            stream = self._stream(self.definition.examples)
            tail = Tail(
                Source.of(stream, _schema(self.catalog, table.identifier), model_features(model)),
                {int(shard): offset for shard, offset in (state["position"] or {}).items()},
                batch_size=1024,
                wait=0.3,
                idle=self.options.idle,
                ticks=True,
            )
            online = Online(
                model,
                tail,
                publisher,
                options=self.training,
                snapshot=state["snapshot"],
                checkpoint=self.path,
                texts=self._texts(table),
                interval=self.options.interval,
                everything=state["restored"],
                say=self.say,
            )
            try:
                online.run(lambda: self.stopped)
                break
            except NotFoundError as error:
                self.say(f"{error}; the log has let go of examples since: training anew")
                model, state = self._batch(publisher)
        self.say("online training ended")

    def _stop(self, *_: object) -> None:
        self.stopped = True

    def _await_flush(self) -> None:
        """Waits until the table has the examples that the log has now."""
        stream = self._stream(self.definition.examples)
        deadline = time.monotonic() + self.options.wait
        wanted: dict[int, int] | None = None
        while True:
            shards = {s["shard"]: s for s in stream.describe()["shards"]}
            if wanted is None:
                wanted = {number: shard["end"] for number, shard in shards.items()}
            missing = sum(max(0, end - shards[n]["covered"]) for n, end in wanted.items())
            if not missing:
                break
            if time.monotonic() > deadline:
                self.say(f"{missing} examples are not in the table yet; training without them")
                break
            time.sleep(0.2)
        stream.close()

    def _texts(self, table: Any) -> Texts:
        """Names of items whose ids are texts."""
        import pyarrow as pa

        from .torch import text_id
        from .torch._publish import Texts

        column = self.definition.item
        kind = pa.schema(table.schema).field(column).type
        if pa.types.is_integer(kind):
            return Texts()
        names: dict[int, str] = {}
        for batch in table.scan([column]).to_batches():
            for name in batch.column(0).unique().to_pylist():
                names[text_id(name)] = name
        return Texts(names)

    def _stream(self, name: str) -> Any:
        return self.catalog.stream(name)

    def _url(self, project: dict[str, Any]) -> str:
        if self.options.url:
            return str(self.options.url)
        server = project.get("server") or {}
        port = server.get("port", 8181)
        if not port:
            raise InvalidArgumentError(
                "weir.yaml gives the service a free port (0): say --url, as 'weir up' prints it"
            )
        return f"http://{server.get('host', '127.0.0.1')}:{port}"

    def _properties(self) -> dict[str, str]:
        return {"token": self.options.token} if self.options.token else {}

    def _state(self, project: dict[str, Any]) -> Path:
        if self.options.state:
            return Path(self.options.state)
        path: Path = self.options.project
        folder = path if path.is_dir() else path.parent
        return folder / str(project.get("data", "weir-data")) / "training"

    def say(self, text: str) -> None:
        print(f"{time.monotonic() - self.began:7.1f} s  {text}", file=sys.stderr, flush=True)


def model_features(model: Model) -> Any:
    """The tensors of the model's examples."""
    return model.definition.features()


def _schema(catalog: Catalog, table: str) -> Any:
    import pyarrow

    return pyarrow.schema(catalog.table(table).schema)


if __name__ == "__main__":
    sys.exit(main())
