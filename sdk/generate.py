#!/usr/bin/env python3
"""Makes the generated part of every client library from openapi/openapi.json, and the examples in their READMEs.

Usage: sdk/generate.py [--check] [LANGUAGE...]; `venv` instead of a language only installs the Python tools. With --check nothing is written: what would be is compared with what is
committed, and every difference named. The generators come from the package registries, pinned, into target/sdk.
"""

import filecmp
import os
import pathlib
import shutil
import subprocess
import sys
import tempfile

SDK = pathlib.Path(__file__).resolve().parent
ROOT = SDK.parent
TOOLS = ROOT / "target" / "sdk"
DOCUMENT = ROOT / "openapi" / "openapi.json"


def run(*command, cwd=SDK, **env):
    """Runs a generator; its output is only of interest when it fails."""
    result = subprocess.run(
        [str(part) for part in command], cwd=cwd, env={**os.environ, **env},
        text=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
    )
    if result.returncode != 0:
        sys.exit(f"{result.stdout}\nsdk: {' '.join(map(str, command))} failed with {result.returncode}")


def typescript(out):
    folder = SDK / "typescript"
    lock = folder / "package-lock.json"
    installed = folder / "node_modules" / ".package-lock.json"
    if not installed.exists() or installed.stat().st_mtime < lock.stat().st_mtime:
        run("npm", "ci", "--silent", cwd=folder)
        installed.touch()
    # npx has no part in this: it would download what is missing.
    run("node_modules/.bin/openapi-ts", "--no-log-file", cwd=folder, SDK_OUT=str(out), CI="1")


def venv():
    """The Python tools, at the versions requirements.txt names; returns their folder."""
    folder = TOOLS / "venv"
    wanted = (SDK / "requirements.txt").read_text()
    have = folder / "requirements.txt"
    if not have.exists() or have.read_text() != wanted:
        run(sys.executable, "-m", "venv", "--clear", folder)
        run(folder / "bin" / "pip", "install", "--quiet", "--disable-pip-version-check", "-r", SDK / "requirements.txt")
        have.write_text(wanted)
    return folder / "bin"


def python(out):
    tools = venv()
    # Its hooks call ruff by name; a cache folder would count as a difference.
    path = f"{tools}{os.pathsep}{os.environ['PATH']}"
    run(tools / "openapi-python-client", "generate", "--path", DOCUMENT, "--meta", "none", "--output-path", out,
        "--config", SDK / "python" / "generator.yaml", PATH=path, RUFF_NO_CACHE="true")


def derived(*options):
    """The document as 3.0, for generators that read nothing newer."""
    out = TOOLS / "openapi-3.0.json"
    run(sys.executable, ROOT / "openapi" / "derive_30.py", *options, DOCUMENT, out)
    return out


def rust(out):
    generator = SDK / "rust" / "generator"
    cargo = os.environ.get("CARGO", "cargo")
    run(cargo, "run", "--quiet", "--locked", "--", derived("--one-success"), out,
        cwd=generator, CARGO_TARGET_DIR=str(TOOLS / "rust"))


def go(out):
    tools = venv()
    with tempfile.TemporaryDirectory(dir=TOOLS) as folder:
        options = ["packageName=api", "withGoMod=false", "isGoSubmodule=true", "hideGenerationTimestamp=true",
                   "disallowAdditionalPropertiesIfNotPresent=false", "enumClassPrefix=true"]
        unwanted = ["apiTests", "modelTests", "apiDocs", "modelDocs"]
        run(tools / "openapi-generator-cli", "generate", "--generator-name", "go", "--input-spec", derived(),
            "--output", folder, "--additional-properties", ",".join(options),
            "--global-property", ",".join(f"{each}=false" for each in unwanted))
        out.mkdir()
        # Beside the code it makes a README, a push script and settings of CI services.
        for file in pathlib.Path(folder).glob("*.go"):
            shutil.copy(file, out)


# Per language: what generates it, and the folder or file it generates.
LANGUAGES = {
    "typescript": (typescript, SDK / "typescript" / "src" / "generated"),
    "rust": (rust, SDK / "rust" / "src" / "generated.rs"),
    "python": (python, SDK / "python" / "gateless" / "generated"),
    "go": (go, SDK / "go" / "api"),
}


def differences(made, committed, name=""):
    """Every path that is not the same in both."""
    if made.is_dir() != committed.is_dir() or made.exists() != committed.exists():
        return [name or committed.name]
    if not made.is_dir():
        return [] if filecmp.cmp(made, committed, shallow=False) else [name or committed.name]
    names = {p.name for p in made.iterdir()} | {p.name for p in committed.iterdir()}
    ignored = {"__pycache__", ".DS_Store"}
    return [
        path
        for part in sorted(names - ignored)
        for path in differences(made / part, committed / part, f"{name}/{part}".lstrip("/"))
    ]


def with_example(readme):
    """The README with the example file it names put between its marks."""
    text = readme.read_text()
    start, end = "<!-- example: ", "<!-- end -->"
    if start not in text:
        return text
    before, rest = text.split(start, 1)
    path, rest = rest.split(" -->\n", 1)
    fence = rest.split("\n", 1)[0]
    after = rest.split(end, 1)[1]
    code = (readme.parent / path).read_text().rstrip("\n")
    return f"{before}{start}{path} -->\n{fence}\n{code}\n```\n{end}{after}"


def main():
    arguments = sys.argv[1:]
    check = "--check" in arguments
    languages = [a for a in arguments if a != "--check"] or list(LANGUAGES)
    stale = []
    TOOLS.mkdir(parents=True, exist_ok=True)
    if languages == ["venv"]:
        venv()
        return
    for language in languages:
        generate, committed = LANGUAGES[language]
        with tempfile.TemporaryDirectory(dir=TOOLS) as folder:
            made = pathlib.Path(folder) / committed.name
            generate(made)
            if check:
                place = committed.relative_to(ROOT)
                stale += [f"{place}: {path}" for path in differences(made, committed)]
            else:
                if committed.is_dir():
                    shutil.rmtree(committed)
                shutil.move(made, committed)
        readme = SDK / language / "README.md"
        if not readme.exists():
            continue
        text = with_example(readme)
        if check and text != readme.read_text():
            stale.append(f"{readme.relative_to(ROOT)}: its example")
        elif not check:
            readme.write_text(text)
    if stale:
        sys.exit("not what openapi/openapi.json gives; run make sdk:\n  " + "\n  ".join(stale))


main()
