#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Rules about sources that no compiler checks; `dev/check` runs it.

Every rule is a function that yields findings as text, `file:line: what; what to do`. All rules
run, all findings are printed, and the exit code is 1 if there is any. Only files that git knows or
would add are looked at. With `--fix` it adds missing access levels to imports and checks nothing.
"""

import json
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
CODE = {".swift", ".c", ".h", ".cpp", ".py", ".sh"}
FILE_BYTES_MAX = 1 << 20
FILE_LINES_MAX = 400
HEAD_LINES = 20

# Modules of the toolchain that every target may import.
BASE_MODULES = {"Swift", "Glibc", "Musl", "Darwin", "Synchronization", "FoundationEssentials"}
# What only targets whose row in docs/architecture.md says "yes" may import besides.
FOUNDATION_MODULES = {"Foundation", "Dispatch"}
TEST_MODULES = {"Testing", "XCTest", "Foundation", "Dispatch"}

POINTER_FOLDERS = {"Buffer", "Kernels", "Interop"}
POINTER_TARGETS = {"WeirC"}
POINTER = re.compile(
    r"\b(Unsafe(Mutable)?(Raw)?(Buffer)?Pointer|AutoreleasingUnsafeMutablePointer"
    r"|OpaquePointer|Unmanaged)\b"
)

IMPORT = re.compile(
    r"^\s*(?P<attributes>(@\w+(\([^)]*\))?\s+)*)"
    r"(?P<access>(public|package|internal|fileprivate|private)\s+)?"
    r"import\s+((struct|class|enum|protocol|func|var|let|typealias|actor)\s+)?"
    r"(?P<module>\w+)"
)

Lines = list[str]


def repository_files() -> list[Path]:
    """All files of the working tree that git tracks or would add."""
    output = subprocess.run(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
        cwd=ROOT,
        check=True,
        capture_output=True,
        text=True,
    ).stdout
    paths = sorted({Path(name) for name in output.split("\0") if name})
    return [path for path in paths if (ROOT / path).is_file()]


def read_lines(path: Path) -> Lines | None:
    """The lines of a text file; `None` for a binary one."""
    data = (ROOT / path).read_bytes()
    if b"\0" in data[:8192]:
        return None
    try:
        return data.decode("utf-8").splitlines()
    except UnicodeDecodeError:
        return None


def is_code(path: Path, lines: Lines) -> bool:
    """Sources by suffix, and scripts by their first line."""
    return path.suffix in CODE or bool(lines and lines[0].startswith("#!"))


def code_only(lines: Lines) -> Lines:
    """Swift lines with comments and the contents of strings blanked (line numbers are kept)."""
    result = []
    in_block = in_text = False
    for line in lines:
        if in_text:
            in_text = '"""' not in line
            result.append("")
            continue
        if in_block:
            in_block = "*/" not in line
            result.append("")
            continue
        bare = re.sub(r'"(\\.|[^"\\])*"', '""', line.replace('"""', "\0"))
        bare = re.sub(r"//.*", "", bare)
        if bare.count("\0") % 2 == 1:
            in_text = True
        if "/*" in bare and "*/" not in bare:
            in_block = True
            bare = bare.split("/*")[0]
        result.append(bare.replace("\0", '""'))
    return result


class Graph:
    """The targets of Package.swift and the table of docs/architecture.md."""

    def __init__(self) -> None:
        output = subprocess.run(
            ["swift", "package", "dump-package"],
            cwd=ROOT,
            check=True,
            capture_output=True,
            text=True,
        ).stdout
        self.dependencies: dict[str, set[str]] = {}
        self.products: dict[str, set[str]] = {}
        self.tests: set[str] = set()
        for target in json.loads(output)["targets"]:
            name = target["name"]
            names: set[str] = set()
            products: set[str] = set()
            for dependency in target["dependencies"]:
                if "product" in dependency:
                    products.add(dependency["product"][0])
                else:
                    names.add(next(iter(dependency.values()))[0])
            self.dependencies[name] = names
            self.products[name] = products
            if target["type"] == "test":
                self.tests.add(name)
        self.rows: dict[str, tuple[int, set[str], str]] = {}
        self.row_lines: dict[str, int] = {}
        row = re.compile(r"^\| *`(\w+)` *\| *(\d+) *\|([^|]*)\| *(\w+) *\|")
        document = read_lines(Path("docs/architecture.md")) or []
        for number, line in enumerate(document, 1):
            if match := row.match(line):
                name = match[1]
                below = set(re.findall(r"`(\w+)`", match[3]))
                self.rows[name] = (int(match[2]), below, match[4])
                self.row_lines[name] = number

    def importable(self, target: str) -> set[str]:
        """What a target may import of this package: its dependencies; a test, also theirs."""
        names = self.dependencies[target] | self.products[target]
        if target in self.tests:
            for name in self.dependencies[target]:
                names = names | self.dependencies.get(name, set())
        return names

    def allows_foundation(self, target: str) -> bool:
        return target in self.tests or (target in self.rows and self.rows[target][2] == "yes")


def check_graph(graph: Graph) -> Iterator[str]:
    """The table in docs/architecture.md is the manifest's graph, and its arrows point down."""
    where = "docs/architecture.md"
    for name in sorted(graph.dependencies):
        if name in graph.tests:
            continue
        if name not in graph.rows:
            yield f"{where}: target {name} of Package.swift has no row in the table of targets"
            continue
        layer, listed, foundation = graph.rows[name]
        line = graph.row_lines[name]
        if foundation not in ("no", "yes"):
            yield f"{where}:{line}: column Foundation says '{foundation}'; write no or yes"
        actual = graph.dependencies[name] | graph.products[name]
        for missing in sorted(actual - listed):
            yield f"{where}:{line}: {name} depends on {missing}, but its row does not say so"
        for extra in sorted(listed - actual):
            yield f"{where}:{line}: {name} does not depend on {extra} in Package.swift"
        for below in sorted(graph.dependencies[name]):
            if below in graph.rows and graph.rows[below][0] >= layer:
                yield (
                    f"Package.swift: {name} (layer {layer}) depends on {below} (layer "
                    f"{graph.rows[below][0]}); arrows point down, peers do not import each other"
                )
    for name in sorted(set(graph.rows) - set(graph.dependencies)):
        yield f"{where}:{graph.row_lines[name]}: {name} is not a target of Package.swift"


def target_of(path: Path) -> str | None:
    if len(path.parts) >= 3 and path.parts[0] in ("Sources", "Tests"):
        return path.parts[1]
    return None


def check_imports(path: Path, code: Lines, graph: Graph) -> Iterator[str]:
    """Imports name only declared dependencies and always an access level."""
    target = target_of(path)
    if target is None:
        return
    if target not in graph.dependencies:
        yield f"{path}: folder {target} is not a target of Package.swift"
        return
    allowed = BASE_MODULES | graph.importable(target)
    if target in graph.tests:
        allowed = allowed | TEST_MODULES
    for number, line in enumerate(code, 1):
        match = IMPORT.match(line)
        if not match:
            continue
        module = match["module"]
        if not match["access"]:
            yield (
                f"{path}:{number}: import of {module} without an access level; write internal, "
                "package or public before import"
            )
        if "@_exported" in match["attributes"]:
            yield f"{path}:{number}: @_exported makes an umbrella; import where it is used"
        if module in FOUNDATION_MODULES and not graph.allows_foundation(target):
            yield (
                f"{path}:{number}: {module} in {target}, a library below the services; use "
                "FoundationEssentials or Glibc"
            )
        elif module not in allowed and module not in FOUNDATION_MODULES:
            yield (
                f"{path}:{number}: {target} imports {module}, which is not among its dependencies "
                "in Package.swift"
            )


def check_synchronous(path: Path, code: Lines, graph: Graph) -> Iterator[str]:
    """Everything below the services is synchronous (docs/decisions/0001)."""
    target = target_of(path)
    if path.parts[0] != "Sources" or target is None or graph.allows_foundation(target):
        return
    for number, line in enumerate(code, 1):
        if re.search(r"\b(async|await|actor)\b|\bTask\s*(\.detached\s*)?\{", line):
            yield (
                f"{path}:{number}: Swift concurrency in {target}; below the services everything is "
                "synchronous (docs/decisions/0001)"
            )


def has_reason(lines: Lines, index: int) -> bool:
    """A `// Safe:` comment on the line, in its paragraph above, or within the ten lines above."""
    paragraph = True
    for distance in range(0, 31):
        at = index - distance
        if at < 0:
            return False
        line = lines[at]
        if not line.strip():
            paragraph = False
        if not paragraph and distance > 10:
            return False
        if "Safe:" in line:
            return True
    return False


def check_pointers(path: Path, lines: Lines, code: Lines) -> Iterator[str]:
    """Raw pointers stay in their folders, and say why they are safe."""
    target = target_of(path)
    if path.parts[0] != "Sources" or target is None:
        return
    uses = [index for index, line in enumerate(code) if POINTER.search(line)]
    if not uses:
        return
    if any("Safe:" in line for line in lines[:HEAD_LINES]):
        return
    if target in POINTER_TARGETS or POINTER_FOLDERS & set(path.parts[2:-1]):
        if not any("Safe:" in line for line in lines):
            yield f"{path}:{uses[0] + 1}: uses raw pointers and has no '// Safe:' reason"
        return
    for index in uses:
        if not has_reason(lines, index):
            yield (
                f"{path}:{index + 1}: raw pointer outside Buffer/, Kernels/, Interop/ and the C "
                "ABI; move it, or say '// Safe: reason' above it (or in the file's head)"
            )


def check_licence(path: Path, lines: Lines) -> Iterator[str]:
    if not any("SPDX-License-Identifier: Apache-2.0" in line for line in lines[:3]):
        yield f"{path}:1: no 'SPDX-License-Identifier: Apache-2.0' in the first three lines"


def check_length(path: Path, lines: Lines) -> Iterator[str]:
    if len(lines) > FILE_LINES_MAX and not any("Length:" in line for line in lines[:HEAD_LINES]):
        yield (
            f"{path}: {len(lines)} lines; split it, or say in a comment in its first {HEAD_LINES} "
            "lines why it is longer than 400 ('Length: reason')"
        )


def check_size(path: Path) -> Iterator[str]:
    size = (ROOT / path).stat().st_size
    if size > FILE_BYTES_MAX:
        yield f"{path}: {size} bytes; no file in the repository is larger than 1 MB"


def check_paths(path: Path, lines: Lines) -> Iterator[str]:
    """No path of somebody's machine: neither this checkout's folder nor a home or work folder."""
    folders = re.compile(
        "(?<![\\w.])(" + re.escape(str(ROOT)) + "|/(wo" + "rk|ro" + "ot|ho" + "me|Us" + "ers)/\\w)"
    )
    for number, line in enumerate(lines, 1):
        if folders.search(line):
            yield f"{path}:{number}: absolute path of one machine"


def heading_anchor(text: str) -> str:
    """The anchor that a heading gets in the rendered document."""
    text = re.sub(r"[^\w\- ]", "", text.strip().lower().replace("`", ""))
    return text.replace(" ", "-")


def document_text(lines: Lines) -> Lines:
    """Markdown lines without fenced code blocks and inline code (line numbers are kept)."""
    result = []
    fenced = False
    for line in lines:
        if line.lstrip().startswith("```"):
            fenced = not fenced
            result.append("")
        else:
            result.append("" if fenced else line)
    return result


def check_links(path: Path, lines: Lines, known: set[Path]) -> Iterator[str]:
    """Relative links in Markdown lead to a file of the repository, and to a heading in it."""
    for number, line in enumerate(document_text(lines), 1):
        for target in re.findall(
            r"\]\(<?([^)\s>]+)>?(?:\s+\"[^\"]*\")?\)", re.sub("`[^`]*`", "", line)
        ):
            if re.match(r"[a-z][a-z0-9+.-]*:", target):
                continue
            name, _, anchor = target.partition("#")
            absolute = (ROOT / path.parent / name).resolve() if name else ROOT / path
            if not absolute.is_relative_to(ROOT):
                yield f"{path}:{number}: link leads out of the repository: {target}"
                continue
            file = absolute.relative_to(ROOT)
            if file not in known and not absolute.is_dir():
                yield f"{path}:{number}: broken link: {target}"
            elif anchor and file.suffix == ".md":
                text = document_text(read_lines(file) or [])
                headings = {heading_anchor(h.lstrip("#")) for h in text if h.startswith("#")}
                if anchor not in headings:
                    yield f"{path}:{number}: no heading for the link {target}"


def findings() -> Iterator[str]:
    files = repository_files()
    known = set(files)
    graph = Graph()
    yield from check_graph(graph)
    for path in files:
        yield from check_size(path)
        lines = read_lines(path)
        if lines is None:
            continue
        yield from check_paths(path, lines)
        if path.suffix == ".md":
            yield from check_links(path, lines, known)
        if not is_code(path, lines):
            continue
        yield from check_licence(path, lines)
        yield from check_length(path, lines)
        if path.suffix == ".swift":
            code = code_only(lines)
            yield from check_imports(path, code, graph)
            yield from check_synchronous(path, code, graph)
            yield from check_pointers(path, lines, code)


def fix_imports() -> None:
    """Writes `internal` before bare imports; with InternalImportsByDefault it means the same."""
    for path in repository_files():
        if path.suffix != ".swift" or target_of(path) is None:
            continue
        lines = read_lines(path) or []
        code = code_only(lines)
        changed = False
        for index, line in enumerate(code):
            match = IMPORT.match(line)
            if match and not match["access"]:
                lines[index] = re.sub(r"\bimport\b", "internal import", lines[index], count=1)
                changed = True
        if changed:
            (ROOT / path).write_text("\n".join(lines) + "\n", encoding="utf-8")


def main() -> int:
    if "--fix" in sys.argv[1:]:
        fix_imports()
        return 0
    count = 0
    try:
        for finding in findings():
            print(finding)
            count += 1
    except subprocess.CalledProcessError as error:
        print(f"{' '.join(error.cmd)} failed:\n{error.stderr}")
        return 1
    if count:
        print(f"{count} findings")
    return 1 if count else 0


if __name__ == "__main__":
    sys.exit(main())
