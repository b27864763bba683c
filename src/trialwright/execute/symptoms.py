"""The texts by which programs announce their death: pattern, cause, remedy; most specific first.

Wordings are those of the programs themselves: CPython, PyTorch, CUDA and NCCL, TensorFlow and JAX,
XGBoost, scikit-learn, argparse, click and typer, Hydra, fire, absl, clap and Go's flag, R, bash.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from trialwright.records import Cause


@dataclass(frozen=True, slots=True)
class Symptom:
    """One wording. A remedy may use `{package}`, `{python}` and `{workdir}`."""

    pattern: re.Pattern[str]
    cause: Cause
    remedy: str
    exit_status: int | None = None
    """The only exit status with which the wording counts; None: any but 0."""


def _symptom(
    cause: Cause, remedy: str, *patterns: str, exit_status: int | None = None
) -> tuple[Symptom, ...]:
    return tuple(
        Symptom(re.compile(pattern, re.MULTILINE | re.IGNORECASE), cause, remedy, exit_status)
        for pattern in patterns
    )


_SMALLER = "take a smaller batch or model, or free the GPU of other programs (runner: gpus: 1)"
_LEANER = "take less data into memory, a smaller model, or fewer runs at a time (runner: workers)"
_CALMER = "lower the learning rate, clip gradients, or check the data for missing values"
_AGAIN = "it may pass when run again"
_SPELLING = "check `command` and `argument` of the study against the script's own `--help`"
_INSTALL = "`{python} -m pip install {package}`"

SYMPTOMS: tuple[Symptom, ...] = (
    *_symptom(
        "out_of_memory_gpu",
        _SMALLER,
        r"^.*\b(?:CUDA|HIP|XPU) out of memory.*",
        r"^.*MPS backend out of memory.*",
        r"^.*CUDA error: out of memory.*",
        r"^(?:[\w.]+\.)?OutOfMemoryError: .*",
        r"^.*CUDA_ERROR_OUT_OF_MEMORY.*",
        r"^.*cudaErrorMemoryAllocation.*",
        r"^.*(?:CUBLAS|CUDNN|CUSOLVER|CUSPARSE)_STATUS_(?:INTERNAL_ERROR_)?.*ALLOC_FAILED.*",
        r"^.*RESOURCE_EXHAUSTED: .*(?:out of memory|OOM|allocat).*",
        r"^.*OOM when allocating tensor.*device:GPU.*",
        r"^.*CL_(?:MEM_OBJECT_ALLOCATION_FAILURE|OUT_OF_RESOURCES).*",
    ),
    *_symptom(
        "out_of_memory_host",
        _LEANER,
        r"^(?:[\w.]+\.)?_?(?:Array)?MemoryError\b.*",
        r"^.*DefaultCPUAllocator: (?:can't allocate|not enough) memory.*",
        r"^.*std::bad_alloc.*",
        r"^.*OOM when allocating tensor.*",
        r"^.*\[Errno 12\].*|^.*Cannot allocate memory.*",
        r"^.*java\.lang\.OutOfMemoryError.*",
        r"^.*JavaScript heap out of memory.*",
        r"^.*cannot allocate vector of size.*",
        r"^.*oom[-_]kill.*",
    ),
    *_symptom(
        "out_of_memory_host",
        "shared memory is full: use fewer data loader workers, or give the machine more of it",
        r"^.*(?:insufficient shared memory|shared memory limit|out of shared memory).*",
    ),
    *_symptom(
        "transient",
        f"{_AGAIN}: the network or a server failed",
        r"^.*Connection reset by peer.*",
        r"^(?:[\w.]+\.)?(?:ConnectionResetError|ConnectionAbortedError|RemoteDisconnected)\b.*",
        r"^(?:[\w.]+\.)?(?:ConnectTimeout|ReadTimeout|ConnectionError|ProtocolError|IncompleteRead)\b.*",
        r"^.*Temporary failure in name resolution.*",
        r"^.*\bHTTP(?:[ /]?Error)?[ :/\d.]{0,12}(?:429|50[0234])\b.*",
        r"^.*\b50[0234] (?:Server Error|Internal Server|Bad Gateway|Service Unav|Gateway Time).*",
        r"^.*\b429 (?:Client Error|Too Many Requests).*",
        r"^.*(?:Read|Connection) timed out\b.*",
        r"^.*UNEXPECTED_EOF_WHILE_READING.*",
        r"^.*Stale (?:NFS )?file handle.*",
        r"^.*Transport endpoint is not connected.*",
    ),
    *_symptom(
        "transient",
        f"{_AGAIN}, on this GPU or another",
        r"^.*CUDA error: (?:unspecified launch fail|uncorrectable ECC|an illegal memory acc).*",
        r"^.*CUDA error: .*(?:busy or unavailable|driver|NVLink|system not yet initialized).*",
        r"^.*CUDA_ERROR_(?:LAUNCH_FAILED|ECC_UNCORRECTABLE|ILLEGAL_ADDRESS|NOT_READY).*",
        r"^.*cudaError(?:LaunchFailure|ECCUncorrectable|IllegalAddress|DevicesUnavailable).*",
        r"^.*\bNCCL (?:error|WARN|timeout|communicator was aborted).*",
        r"^.*nccl(?:System|UnhandledCuda|Remote|Internal)Error.*",
        r"^.*Watchdog caught collective operation timeout.*",
        r"^.*(?:fallen off the bus|GPU is lost|Xid \d+).*",
    ),
    *_symptom(
        "transient",
        f"{_AGAIN}: the machine was lost or taken away",
        r"^.*\bNODE[ _]FAIL(?:URE)?\b.*",
        r"^.*DUE TO (?:PREEMPTION|NODE FAILURE).*",
        r"^.*(?:NodeDiedError|ActorDiedError|WorkerCrashedError)\b.*",
        r"^.*(?:Address already in use|EADDRINUSE).*",
        r"^.*(?:Resource temporarily unavailable|can't start new thread).*",
        r"^.*database is locked.*",
    ),
    *_symptom(
        "timed_out",
        "ask the scheduler for more time, or make runs shorter",
        r"^.*DUE TO TIME LIMIT.*",
    ),
    *_symptom(
        "diverged",
        _CALMER,
        r"^(?:[\w.]+\.)?FloatingPointError\b.*",
        r"^(?:[\w.]+\.)?NanLossDuringTrainingError\b.*",
        r"^.*\b(?:loss|grad(?:ient)?s?|cost|logits|weights)\b.{0,40}\b(?:is|are|was|became|become|has|=|:)"
        r"\s*(?:not finite|non-?finite|-?\binf(?:inite|inity)?\b|\bnan\b).*",
        r"^.*\b(?:nan|non-?finite|infinite)\b.{0,10}\b(?:loss|gradient)s?\b.*",
        r"^.*Floating-point (?:under-/)?overflow occurred.*",
        r"^.*returned nan values in its \d+th output.*",
        r"^.*probability tensor contains either `inf`, `nan`.*",
        r"^.*found invalid values:\s*\n?.*\bnan\b.*",
        r"^.*Minimum loss scale reached.*",
    ),
    *_symptom(
        "import_error",
        _INSTALL,
        r"^(?:[\w.]+\.)?ModuleNotFoundError: No module named '?(?P<module>[\w.]+)'?.*",
        r"^\S*python\S*: No module named (?P<module>[\w.]+).*",
        r"^.*there is no package called .(?P<module>[\w.]+).*",
    ),
    *_symptom(
        "import_error",
        "its version does not fit the script: install the one that the script was written for",
        r"^(?:[\w.]+\.)?ImportError: cannot import name .*",
    ),
    *_symptom(
        "import_error",
        "reinstall the package, or the system library that it names",
        r"^(?:[\w.]+\.)?ImportError: .*",
        r"^.*error while loading shared libraries: .*",
        r"^(?:OSError|ImportError): .*cannot open shared object file.*",
    ),
    *_symptom(
        "syntax_error",
        "correct the script; running it alone shows the same",
        r"^(?:[\w.]+\.)?(?:SyntaxError|IndentationError|TabError): .*",
        r"^.*: syntax error(?: near)?.*",
    ),
    *_symptom(
        "missing_file",
        "relative paths start at {workdir}; make the file, or correct its path",
        r"^.*can't open (?:file )?'[^']+'.*",
    ),
    *_symptom(
        "bad_argument",
        _SPELLING,
        r"^.*?: error: (?:unrecognized arguments|argument \S+|the following arguments are required"
        r"|one of the arguments|ambiguous option|no such option|expected).*",
        r"^.*\bNo such (?:option|command)[: ].*",
        r"^.*\bInvalid value for .*",
        r"^.*\bMissing (?:option|argument|parameter)[: ].*",
        r"^.*\bGot unexpected extra argument.*",
        r"^.*(?:Option|Argument) '?\S+'? requires an argument.*",
        r"^.*Could not (?:override|consume arg|append|delete).*",
        r"^.*The function received no value for the required argument.*",
        r"^.*Key '\S+' is not in struct.*",
        r"^(?:[\w.]+\.)?(?:ConfigCompositionException|OverrideParseException"
        r"|ConfigAttributeError|ConfigKeyError)\b.*",
        r"^.*Unknown command line flag.*",
        r"^.*[Ss]ome specified arguments are not used by.*",
        r"^.*\b(?:unrecognized|unknown|unexpected) (?:options?|arguments?|flags?|parameters?)\b.*",
        r"^.*\b(?:unrecognized|invalid|illegal) option(?: --|:)? .*",
        r"^.*flag provided but not defined.*",
        r"^error: invalid value .* for .*",
        r"^.*has no constant .*",
        r"^TypeError: .*got (?:an unexpected keyword|multiple values for).*",
        r"^TypeError: .*missing \d+ required (?:positional|keyword-only) argument.*",
        r"^(?:[\w.]+\.)?InvalidParameterError: .*",
        r"^ValueError: Invalid parameter .* for estimator.*",
        r"^ValueError: Invalid (?:learning rate|momentum|weight_decay|beta|eps|alpha|rho|lr).*",
        r"^.*Invalid Parameter format for .*",
        r"^.*value \S+ for Parameter \S+ .*",
        r"^.*Extra inputs are not permitted.*",
    ),
    *_symptom("bad_argument", _SPELLING, r"^.*?: error: .*", exit_status=2),
    *_symptom(
        "missing_file",
        "relative paths start at {workdir}; make the file, or correct its path",
        r"^(?:[\w.]+\.)?FileNotFoundError: .*",
        r"^(?:[\w.]+\.)?NotADirectoryError: .*",
        r"^.*cannot open (?:compressed )?file '[^']+'.*",
        r"^.*unable to open file \(?(?:unable to open file: )?name = '[^']+'.*",
        r"^.*is not a local folder and is not a valid model identifier.*",
        r"^.*: No such file or directory.*",
    ),
    *_symptom(
        "command_not_found",
        "install it, or write its whole path",
        r"^.*: (?:command )?not found.*",
        r"^env: .*: No such file or directory.*",
        exit_status=127,
    ),
    *_symptom(
        "command_not_found", "make it executable with `chmod +x`", r"^.*: Permission denied.*",
        exit_status=126,
    ),
    *_symptom("killed", "somebody interrupted it", r"^KeyboardInterrupt\b.*"),
    *_symptom(
        "other",
        "free some disk space, or declare what may go under `keep`",
        r"^.*No space left on device.*",
        r"^.*Disk quota exceeded.*",
    ),
    *_symptom(
        "other",
        "a label or an index is out of range; on the CPU the message is clearer",
        r"^.*device-side assert triggered.*",
    ),
    *_symptom(
        "other",
        "close files, or raise `ulimit -n`",
        r"^.*Too many open files.*",
    ),
)  # fmt: skip

_PACKAGES = {
    "attr": "attrs",
    "bs4": "beautifulsoup4",
    "Crypto": "pycryptodome",
    "cv2": "opencv-python-headless",
    "dateutil": "python-dateutil",
    "dotenv": "python-dotenv",
    "faiss": "faiss-cpu",
    "fitz": "pymupdf",
    "google.protobuf": "protobuf",
    "hydra": "hydra-core",
    "igraph": "python-igraph",
    "ImageHash": "imagehash",
    "magic": "python-magic",
    "OpenSSL": "pyopenssl",
    "PIL": "pillow",
    "pl_bolts": "lightning-bolts",
    "pytorch_lightning": "pytorch-lightning",
    "serial": "pyserial",
    "skimage": "scikit-image",
    "sklearn": "scikit-learn",
    "torch_geometric": "torch-geometric",
    "umap": "umap-learn",
    "yaml": "pyyaml",
}


def package(module: str) -> str:
    """Return the package that most likely holds a module, as pip knows it.

    >>> package("sklearn.svm"), package("xgboost")
    ('scikit-learn', 'xgboost')
    """
    top = module.partition(".")[0]
    return _PACKAGES.get(".".join(module.split(".")[:2])) or _PACKAGES.get(top, top)
