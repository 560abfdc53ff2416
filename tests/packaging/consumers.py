"""consumers.py <mode> <scratch>: builds and runs consumer/ against evloop, found in the way of the mode."""
import json
import os
import shutil
import sys
from pathlib import Path

from common import CC, ROOT, dynamic, fresh, prefix, run

HERE = Path(__file__).resolve().parent / "consumer"
mode, scratch = sys.argv[1], Path(sys.argv[2]).resolve()
work = fresh(scratch / "consumers" / mode)
ADDONS = ("fiber", "http", "httpd", "tls")


def cmake(mode, *options):
    run("cmake", "-S", HERE, "-B", work, "-G", "Ninja", f"-DCMAKE_C_COMPILER={CC}", f"-DMODE={mode}", *options)
    run("cmake", "--build", work)
    for program in (work / f"consumer_{name}" for name in ("cpp", *ADDONS)):
        if program.exists():
            run(program)
    return work / "consumer"


def installed_by(builder):
    return f"-DCMAKE_PREFIX_PATH={prefix(scratch, builder)}"


def find_package(mode, builder):
    """The add-ons are found where they were installed."""
    program = cmake(mode, installed_by(builder))
    for addon in ADDONS:
        library = prefix(scratch, builder) / "lib" / f"libevloop-{addon}.so"
        if library.exists() != (work / f"consumer_{addon}").exists():
            sys.exit(f"the component {addon} is not what is installed")
    return program


def pkg_config(builder, *options, package="libevloop"):
    env = {"PKG_CONFIG_PATH": str(prefix(scratch, builder) / "lib" / "pkgconfig")}
    return env, run("pkg-config", "--cflags", "--libs", *options, package, env=env).split()


def by_pkg_config():
    _, flags = pkg_config("meson")
    if "-pthread" in flags:
        sys.exit("what only the static library needs is in Libs")
    run(CC, HERE / "consumer.c", "-o", work / "consumer", *flags,
        f"-Wl,-rpath,{prefix(scratch, 'meson')}/lib")
    for addon in ADDONS:
        if not (prefix(scratch, "meson") / "lib" / f"libevloop-{addon}.so").exists():
            continue
        _, flags = pkg_config("meson", package=f"libevloop-{addon}")
        run(CC, HERE / f"consumer_{addon}.c", "-o", work / f"consumer_{addon}", *flags, "-Wl,-rpath-link",
            f"{prefix(scratch, 'meson')}/lib", f"-Wl,-rpath,{prefix(scratch, 'meson')}/lib")
        run(work / f"consumer_{addon}")
    return work / "consumer"


def by_pkg_config_static():
    env, flags = pkg_config("cmake", "--static")
    if "-pthread" not in flags:
        sys.exit("Libs.private does not name the threads")
    # pkg-config leaves the choice of the file to the linker: all of the program is static, as in a musl build.
    run(CC, "-static", HERE / "consumer.c", "-o", work / "consumer", *flags, env=env)
    if (prefix(scratch, "cmake") / "lib" / "libevloop-httpd.a").exists():  # C++ inside, which the C compiler does not link
        _, flags = pkg_config("cmake", "--static", package="libevloop-httpd")
        run(CC, "-static", HERE / "consumer_httpd.c", "-o", work / "consumer_httpd", *flags, env=env)
        run(work / "consumer_httpd")
    return work / "consumer"


def meson(env=None, wrap=None):
    shutil.copytree(HERE, work / "source")
    if wrap is not None:
        (work / "source" / "subprojects").mkdir()
        (work / "source" / "subprojects" / "evloop").symlink_to(ROOT)
        (work / "source" / "subprojects" / "libevloop.wrap").write_text(wrap)
    # Where the system has an evloop of its own, the fall-back would not be tried.
    force = ["--wrap-mode=forcefallback"] if wrap else ["--wrap-mode=nofallback"]
    run("meson", "setup", work / "build", work / "source", *force, env={"CC": CC, **(env or {})})
    run("meson", "compile", "-C", work / "build")
    if wrap:
        run("meson", "install", "-C", work / "build", "--destdir", work / "installed")
        if list((work / "installed").rglob("*evloop*")):
            sys.exit("a subproject installed something")
        if json.loads(run("meson", "introspect", "--tests", work / "build")):
            sys.exit("a subproject brought its tests along")
    return work / "build" / "consumer"


def by_export():
    """A library on top of evloop: what it installs is found and used together with evloop's own package."""
    cmake("export", f"-DEVLOOP_SOURCE={ROOT}", f"-DCMAKE_INSTALL_PREFIX={work}/prefix", "-DCMAKE_INSTALL_LIBDIR=lib")
    run("cmake", "--install", work)
    if not (work / "prefix" / "lib" / "cmake" / "evloop" / "evloop-config.cmake").exists():
        sys.exit("EVLOOP_INSTALL did not install evloop's package")
    return work / "consumer"


WRAP = "[wrap-file]\ndirectory = evloop\n\n[provide]\ndependency_names = libevloop\n"
source = f"-DEVLOOP_SOURCE={ROOT}"
modes = {
    # mode: (how it is built, whether it then needs libevloop.so)
    "find_package": (lambda: find_package("find_package", "cmake"), True),
    "find_package_static": (lambda: find_package("find_package_static", "cmake"), False),
    "find_package_of_meson": (lambda: find_package("find_package", "meson"), True),
    "add_subdirectory": (lambda: cmake("add_subdirectory", source), True),
    "fetch_content": (lambda: cmake("fetch_content", source), False),
    "export": (by_export, True),
    "pkg_config": (by_pkg_config, True),
    "pkg_config_static": (by_pkg_config_static, False),
    "meson_system": (lambda: meson(env=pkg_config("meson")[0]), True),
    "meson_subproject": (lambda: meson(wrap=WRAP), False),
}

if mode not in modes:
    sys.exit(f"the modes are {' '.join(modes)}")
build, shared = modes[mode]
program = build()
needed = [name for name in dynamic(program, "NEEDED") if "evloop" in name]
if bool(needed) != shared:
    sys.exit(f"{program} needs {needed}")
print(run(program))
