"""compare.py <scratch>: CMake and Meson install the same files, and the same in them."""
import sys

from common import dynamic, exported, finish, prefix

cmake, meson = (prefix(sys.argv[1], builder) for builder in ("cmake", "meson"))
problems = []


def same(what, of_cmake, of_meson):
    if of_cmake != of_meson:
        problems.append(f"{what} differs\nCMake: {of_cmake}\nMeson: {of_meson}")


def files(root):
    return {str(path.relative_to(root)): path for path in root.rglob("*") if not path.is_dir()}


same("the list of files", sorted(files(cmake)), sorted(files(meson)))
if problems:
    finish(problems)

of_meson = files(meson)
for name, path in files(cmake).items():
    other = of_meson[name]
    if path.is_symlink() or other.is_symlink():
        same(f"the link {name}", path.readlink(), other.readlink())
    elif ".so" in name:
        same(f"the exported symbols of {name}", exported(path), exported(other))
        same(f"the soname of {name}", dynamic(path, "SONAME"), dynamic(other, "SONAME"))
        same(f"what {name} needs", dynamic(path, "NEEDED"), dynamic(other, "NEEDED"))
    elif not name.endswith(".a"):
        same(name, path.read_text(), other.read_text())

finish(problems)
