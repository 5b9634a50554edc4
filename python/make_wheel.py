"""make_wheel.py FILES ARCH DIRECTORY: packs the wheel for ARCH, with the library and the launcher in FILES.

One wheel has the tags of both libcs: the library refers to nothing that one lacks, and the launcher is static. Two runs give
the same bytes. The file's name is printed.
"""

import base64
import hashlib
import re
import sys
import zipfile
from pathlib import Path

HERE = Path(__file__).resolve().parent
ROOT = HERE.parent


def main() -> None:
    files, arch, directory = Path(sys.argv[1]), sys.argv[2], Path(sys.argv[3])
    project = (HERE / "pyproject.toml").read_text(encoding="utf-8")
    version = re.search(r'^version = "(.*)"', (ROOT / "Cargo.toml").read_text(encoding="utf-8"), re.M).group(1)
    summary = re.search(r'^description = "(.*)"', project, re.M).group(1)
    script = re.search(r'^nss-wrapper = "(.*)"', project, re.M).group(1)
    plugin = re.search(r'^nss_wrapper_rs = "(.*)"', project, re.M).group(1)
    platforms = [f"manylinux_2_17_{arch}", f"manylinux2014_{arch}", f"musllinux_1_1_{arch}"]
    info = f"nss_wrapper_rs-{version}.dist-info"
    readme = (HERE / "README.md").read_text(encoding="utf-8")
    sources = [*(HERE / "nss_wrapper_rs").glob("*.py"), HERE / "nss_wrapper_rs/py.typed"]
    content = {f"nss_wrapper_rs/{path.name}": path.read_bytes() for path in sources}
    for name in ("libnss_wrapper_rs.so", "nss-wrapper"):
        content[f"nss_wrapper_rs/{name}"] = (files / name).read_bytes()
    for path in (ROOT / "LICENSE-MIT", ROOT / "LICENSE-APACHE", ROOT / "docs/licences.md"):
        content[f"{info}/licenses/{path.name}"] = path.read_bytes()
    metadata = (
        f"Metadata-Version: 2.4\nName: nss_wrapper_rs\nVersion: {version}\nSummary: {summary}\n"
        "Requires-Python: >=3.9\nLicense-Expression: MIT OR Apache-2.0\nLicense-File: LICENSE-MIT\n"
        "License-File: LICENSE-APACHE\nLicense-File: licences.md\n"
        f"Description-Content-Type: text/markdown\n\n{readme}"
    )
    tags = "".join(f"Tag: py3-none-{platform}\n" for platform in platforms)
    content[f"{info}/METADATA"] = metadata.encode()
    content[f"{info}/WHEEL"] = f"Wheel-Version: 1.0\nGenerator: make_wheel\nRoot-Is-Purelib: false\n{tags}".encode()
    entry_points = f"[console_scripts]\nnss-wrapper = {script}\n\n[pytest11]\nnss_wrapper_rs = {plugin}\n"
    content[f"{info}/entry_points.txt"] = entry_points.encode()
    record = ""
    for name, data in sorted(content.items()):
        digest = base64.urlsafe_b64encode(hashlib.sha256(data).digest()).rstrip(b"=").decode()
        record += f"{name},sha256={digest},{len(data)}\n"
    content[f"{info}/RECORD"] = f"{record}{info}/RECORD,,\n".encode()
    wheel = directory / f"nss_wrapper_rs-{version}-py3-none-{'.'.join(platforms)}.whl"
    with zipfile.ZipFile(wheel, "w", zipfile.ZIP_DEFLATED) as packed:
        for name, data in sorted(content.items()):
            entry = zipfile.ZipInfo(name)
            entry.compress_type = zipfile.ZIP_DEFLATED
            mode = 0o100755 if name.endswith(("/nss-wrapper", ".so")) else 0o100644
            entry.external_attr = mode << 16
            packed.writestr(entry, data)
    print(wheel)


main()
