"""The console's files: closed by policy, complete, the vendored library as it was published, every text in both languages."""

import ast
import gzip
import hashlib
import json
import re
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from query_api import presets
from query_api.console import static_files
from query_api.console.saved_views import SavedViews, View, ViewList
from query_api.errors import QueryError
from sdk_spec import scenes
from sdk_spec.errors import EVENT_ERRORS, REQUEST_ERRORS

FILES = static_files.load()
OWN = {
    path: file.body.decode()
    for path, file in FILES.items()
    if path.endswith(".js") and not path.startswith("vendor/")
}


def table(path: str, name: str) -> dict[str, str]:
    """Return a module's table of texts by what they stand for."""
    inner = OWN[path].partition(f"const {name} = {{")[2].partition("\n};")[0]
    found = re.findall(r'^  ("(?:[^"\\]|\\.)*"|[^\s":]+): ("(?:[^"\\]|\\.)*"),$', inner, re.M)
    return {
        json.loads(key) if key.startswith('"') else key: json.loads(text) for key, text in found
    }


def test_the_policy_allows_this_server_only() -> None:
    policy = static_files.CONTENT_SECURITY_POLICY

    assert "default-src 'none'" in policy
    assert "unsafe" not in policy
    assert not re.search(r"https?:|\*", policy)
    assert "require-trusted-types-for 'script'" in policy


def test_the_page_has_no_inline_script_or_style_and_names_only_files_that_exist() -> None:
    page = FILES["index.html"].body.decode()

    assert not re.search(r"<script(?![^>]* src=)|<style|\sstyle=|\son\w+=", page)
    version = static_files.version_of(FILES)
    named = re.findall(rf'"/static/{version}/([^"]+)"', page)
    assert set(named) == {name for name in FILES if name != "index.html" and "/icon" not in name}
    assert static_files.SESSION in page


def test_what_the_first_numbers_need_is_named_before_all_that_can_wait() -> None:
    first = static_files.imported_by(static_files.FIRST_PAGES, FILES)
    named = re.findall(
        r'<link rel="modulepreload" href="/static/[^/]+/([^"]+)"( fetchpriority="low")?>',
        FILES["index.html"].body.decode(),
    )
    wanted = [name for name in first if name != "app.js"]

    assert {"api.js", "report.js", "pages/overview.js"} <= set(first)
    # The charts can wait as well: the numbers are painted before the first is drawn.
    assert not any(name.startswith("vendor/echarts") for name in first)
    assert named[: len(wanted)] == [(name, "") for name in wanted]
    assert named[len(wanted)][0].startswith("vendor/echarts")
    assert all(low for _, low in named[len(wanted) :])
    assert sum(len(FILES[name].zipped) for name in [*first, "style.css"]) < 120_000


def test_modules_import_only_what_is_there_and_never_make_html_of_text() -> None:
    for path, text in OWN.items():
        for name in re.findall(r'(?:from|import)\s*\(?"(\.[^"]+)"', text):
            target = (static_files.FOLDER / path).parent / name
            assert target.resolve().relative_to(static_files.FOLDER).as_posix() in FILES, (
                path,
                name,
            )
        code = re.sub(r"//.*", "", text)
        assert not re.search(
            r"innerHTML|outerHTML|insertAdjacentHTML|document\.write|eval\(", code
        ), path


def test_every_text_is_in_both_languages() -> None:
    texts = 0
    for path, text in OWN.items():
        for given in re.findall(r'\bt\("((?:[^"\\]|\\.)*)"', text):
            chinese, bar, english = given.partition("|")
            assert all((chinese, bar, english)), (path, given)
            assert not re.search(r"[\u4e00-\u9fff]", english), (path, given)
            assert set(re.findall(r"\{\w+\}", chinese)) == set(re.findall(r"\{\w+\}", english)), (
                given
            )
            texts += 1
    assert texts > 200


def test_every_scene_and_every_code_of_an_error_is_in_both_languages() -> None:
    known = scenes.dictionary()
    names = {scene.name for scene in known.scenes if re.search(r"[\u4e00-\u9fff]", scene.name)}
    assert names <= table("scene_names.js", "SCENES").keys()
    groups = {scene.group for scene in known.scenes} | {
        group
        for scheme in known.schemes
        for group in [*scheme.groups.values(), scheme.default, *scheme.overrides.values()]
    }
    assert groups - {""} <= table("scene_names.js", "GROUPS").keys()
    of_the_query_api = {
        *("not_json", "invalid_request", "unauthorized", "forbidden", "not_found", "internal"),
        *("query_limit", "storage_unavailable", "overloaded", "too_many_requests"),
    }
    assert of_the_query_api <= REQUEST_ERRORS.keys()
    for code in {*of_the_query_api, *EVENT_ERRORS}:
        assert re.search(rf"^  {code}: ", OWN["errors.js"], re.M), code


QUERY_API = Path(static_files.__file__).parent.parent
MODULES = {
    path: ast.parse(path.read_text())
    for path in QUERY_API.rglob("*.py")
    if path.name
    not in ("openapi.py", "client.py", "results.py")  # they describe, but define nothing
}
CONSTANTS = {
    target.id: node.value
    for tree in MODULES.values()
    for node in tree.body
    if isinstance(node, ast.Assign | ast.AnnAssign) and node.value is not None
    for target in (node.targets if isinstance(node, ast.Assign) else [node.target])
    if isinstance(target, ast.Name) and target.id.strip("_").isupper()
}


def definitions() -> Iterator[ast.AST]:
    """Yield what makes the definitions of answers: functions, constants, arguments and items called ``semantics``."""
    for tree in MODULES.values():
        for node in ast.walk(tree):
            if isinstance(node, ast.FunctionDef) and node.name.strip("_").endswith("semantics"):
                yield from node.body[1:] if ast.get_docstring(node) else node.body
            elif (isinstance(node, ast.keyword) and node.arg == "semantics") or (
                isinstance(node, ast.Assign | ast.AnnAssign)
                and re.match(r"_?SEMANTICS\b", ast.unparse(node))
                and node.value is not None
            ):
                yield node.value
            elif isinstance(node, ast.Dict):
                for key, value in zip(node.keys, node.values, strict=True):
                    if isinstance(key, ast.Constant) and key.value == "semantics":
                        yield value


def sentences(node: ast.AST, seen: frozenset[str] = frozenset()) -> Iterator[str]:
    """Yield the sentences that stand as values, in the constants that are named as well; holes of a template as 7."""
    if isinstance(node, ast.Constant):
        if isinstance(node.value, str) and " " in node.value:
            yield node.value
    elif isinstance(node, ast.JoinedStr):
        yield "".join(
            str(part.value) if isinstance(part, ast.Constant) else "7" for part in node.values
        )
    elif isinstance(node, ast.Dict):
        for value in node.values:
            yield from sentences(value, seen)
    elif isinstance(node, ast.Name | ast.Attribute):
        name = node.id if isinstance(node, ast.Name) else node.attr
        if name in CONSTANTS and name not in seen:
            yield from sentences(CONSTANTS[name], seen | {name})
    elif isinstance(node, ast.keyword) and node.arg == "source":
        return  # Where a product documents its meaning: an address.
    elif not isinstance(node, ast.Compare | ast.Raise):
        for child in ast.iter_child_nodes(node):
            yield from sentences(child, seen)


def test_every_sentence_of_a_definition_has_chinese() -> None:
    chinese = table("definitions.js", "SENTENCES")
    patterns = [
        re.compile(pattern)
        for pattern in re.findall(r"^  \[/(\^.*\$)/, ", OWN["definitions.js"], re.M)
    ]
    written = {one for node in definitions() for one in sentences(node)}

    assert len(written) > 250
    for sentence in written - chinese.keys():
        assert any(pattern.search(sentence) for pattern in patterns), sentence
    assert all(re.search(r"[\u4e00-\u9fff]", text) for text in chinese.values())


def test_what_a_preset_cannot_express_has_chinese() -> None:
    chinese = table("definitions.js", "SENTENCES")
    of_presets = [*presets.FUNNEL.values(), *presets.RETENTION.values()]

    written = {sentence for axes in of_presets for sentence in axes.not_expressed}
    assert len(written) > 20
    assert written <= chinese.keys(), written - chinese.keys()


@pytest.mark.parametrize("name", ["echarts.esm.min.js", "tiny-pinyin.dict.js"])
def test_the_libraries_are_the_published_files(name: str) -> None:
    readme = (static_files.FOLDER / "vendor" / "README.md").read_text()
    body = FILES[f"vendor/{name}"].body

    assert hashlib.sha256(body).hexdigest() in readme


def test_files_are_kept_zipped_and_tagged_by_content() -> None:
    file = FILES["app.js"]

    assert gzip.decompress(file.zipped) == file.body
    assert file.etag == f'"{hashlib.sha256(file.body).hexdigest()[:32]}"'


def test_saved_views_are_kept_by_project(tmp_path: Path) -> None:
    kept = SavedViews(tmp_path / "console.json")
    view = View(view_id="1-2", name="周报", page="funnel", state="range=7d", board="例会")

    kept.replace("a", ViewList(views=[view]))
    kept.replace("b", ViewList())

    assert SavedViews(tmp_path / "console.json").of("a") == ViewList(views=[view])
    assert kept.of("b") == ViewList()
    assert (tmp_path / "console.json").stat().st_mode & 0o077 == 0
    with pytest.raises(QueryError, match="stands twice"):
        kept.replace("a", ViewList(views=[view, view]))
    assert kept.of("a") == ViewList(views=[view])


def test_views_of_projects_that_are_saved_at_once_are_all_kept(tmp_path: Path) -> None:
    kept = SavedViews(tmp_path / "console.json")
    view = View(view_id="1-2", name="周报", page="funnel")
    projects = [f"project-{number}" for number in range(40)]

    with ThreadPoolExecutor(8) as threads:
        list(threads.map(lambda project: kept.replace(project, ViewList(views=[view])), projects))

    assert [kept.of(project).views for project in projects] == [[view]] * len(projects)


def test_a_broken_file_of_views_is_told_and_not_overwritten(tmp_path: Path) -> None:
    path = tmp_path / "console.json"
    path.write_text("{broken")

    with pytest.raises(QueryError, match=r"console\.json"):
        SavedViews(path).of("a")
    with pytest.raises(QueryError, match=r"console\.json"):
        SavedViews(path).replace("a", ViewList())

    assert path.read_text() == "{broken"
