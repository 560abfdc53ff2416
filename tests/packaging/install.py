"""install.py <scratch> <builder>...: installs evloop with cmake and meson, for the other scripts to look at. Neither
optimises: that takes longer than all the rest.

Both are installed in one place and then moved to another, so that whatever works afterwards is relocatable."""
import pathlib
import sys

from common import CC, ROOT, fresh, prefix, run

scratch = pathlib.Path(sys.argv[1]).resolve()
build = fresh(scratch / "build")
first = fresh(scratch / "first")
fresh(scratch / "prefix")

run("cmake", "-S", ROOT, "-B", build / "cmake", "-G", "Ninja", f"-DCMAKE_C_COMPILER={CC}",
    "-DCMAKE_BUILD_TYPE=Debug", "-DCMAKE_INSTALL_LIBDIR=lib", f"-DCMAKE_INSTALL_PREFIX={first}/cmake",
    "-DEVLOOP_BUILD_TESTS=OFF", "-DEVLOOP_BUILD_EXAMPLES=OFF", "-DEVLOOP_WERROR=ON")
run("cmake", "--build", build / "cmake")
run("cmake", "--install", build / "cmake")

if "meson" in sys.argv[2:]:
    run("meson", "setup", build / "meson", ROOT, "--prefix", first / "meson", "--libdir", "lib", "--werror",
        "--fatal-meson-warnings", "--buildtype=plain", env={"CC": CC})
    run("meson", "test", "-C", build / "meson")
    run("meson", "install", "-C", build / "meson", "--quiet")

for builder in sys.argv[2:]:
    (first / builder).rename(prefix(scratch, builder))
