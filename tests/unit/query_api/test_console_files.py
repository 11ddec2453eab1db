"""The console's files: closed by policy, complete, the vendored library as it was published, every text in both languages."""

import gzip
import hashlib
import re
from pathlib import Path

import pytest

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


def test_every_group_of_scenes_and_every_code_of_an_error_is_in_both_languages() -> None:
    known = scenes.dictionary()
    groups = {scene.group for scene in known.scenes} | {
        group
        for scheme in known.schemes
        for group in [*scheme.groups.values(), scheme.default, *scheme.overrides.values()]
    }
    for group in groups - {""}:
        assert re.search(rf'^  "?{re.escape(group)}"?: "', OWN["scene_names.js"], re.M), group
    of_the_query_api = {
        *("not_json", "invalid_request", "unauthorized", "forbidden", "not_found", "internal"),
        *("query_limit", "storage_unavailable", "overloaded", "too_many_requests"),
    }
    assert of_the_query_api <= REQUEST_ERRORS.keys()
    for code in {*of_the_query_api, *EVENT_ERRORS}:
        assert re.search(rf"^  {code}: ", OWN["errors.js"], re.M), code


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


def test_a_broken_file_of_views_is_told_and_not_overwritten(tmp_path: Path) -> None:
    path = tmp_path / "console.json"
    path.write_text("{broken")

    with pytest.raises(QueryError, match=r"console\.json"):
        SavedViews(path).of("a")
    with pytest.raises(QueryError, match=r"console\.json"):
        SavedViews(path).replace("a", ViewList())

    assert path.read_text() == "{broken"
