"""Plants each kind of violation in a small tree and sees that tools/tidy.py names it, and nothing else."""

import shutil
import subprocess
import sys
import tempfile
import textwrap
import unittest
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "tools"))

from tidy import findings_of  # noqa: E402
from tidy_checks import cpp, run  # noqa: E402
from tidy_checks.tree import Rules, Tree  # noqa: E402

CLEAN = {
    "docs/architecture.md": "`src/base/` holds what all need; `src/sql/` the language; `src/dataflow/` the operators; `src/app/` the program.\n",
    "src/base/result.h": "#pragma once\n#include <string>\n",
    "src/sql/parser.h": '#pragma once\n#include "base/result.h"\n',
    "src/dataflow/graph.cpp": '#include "base/result.h"\nint rows() { return 1; }\n',
    "src/app/main.cpp": '#include "sql/parser.h"\nint main() { return 0; }\n',
}


class PlantedTree(unittest.TestCase):
    def setUp(self):
        self.root = Path(tempfile.mkdtemp(prefix="tidy"))
        self.addCleanup(shutil.rmtree, self.root)
        subprocess.run(["git", "init", "-q", self.root], check=True)
        for path, text in CLEAN.items():
            self.write(path, text)
        self.write("tools/floors.toml", (ROOT / "tools/floors.toml").read_text())

    def write(self, path: str, text: str):
        (self.root / path).parent.mkdir(parents=True, exist_ok=True)
        (self.root / path).write_text(textwrap.dedent(text))

    def found(self) -> list[tuple[str, int, str]]:
        return [(f.path, f.line, f.rule) for f in findings_of(Tree(self.root), Rules.read(self.root), build=None)]

    def expect(self, path: str, text: str, *findings: tuple[int, str]):
        self.write(path, text)
        self.assertEqual([(path, line, rule) for line, rule in findings], self.found())


class Includes(PlantedTree):
    def test_clean_tree_has_no_findings(self):
        self.assertEqual([], self.found())

    def test_up(self):
        self.expect("src/base/up.cpp", '#include "base/result.h"\n#include "sql/parser.h"\n', (2, "floor"))

    def test_sibling(self):
        self.expect("src/dataflow/side.cpp", '#include "sql/parser.h"\n', (1, "floor"))

    def test_folder_without_floor(self):
        self.write("docs/architecture.md", CLEAN["docs/architecture.md"] + "`src/misc/`\n")
        self.expect("src/misc/thing.cpp", "int x;\n", (1, "floor"))

    def test_missing_header(self):
        self.expect("src/app/gone.cpp", '#include "sql/gone.h"\n', (1, "include"))

    def test_private_subfolder(self):
        self.write("src/sql/deep/inner.h", "#pragma once\n")
        self.write("src/sql/outer.cpp", '#include "sql/deep/inner.h"\n')
        self.expect("src/app/uses.cpp", '#include "sql/deep/inner.h"\n', (1, "private"))

    def test_public_subfolder(self):
        table = (self.root / "tools/floors.toml").read_text()
        self.write("tools/floors.toml", 'public_headers = ["sql/deep/inner.h"]\n' + table[table.index("[floors]"):])
        self.write("src/sql/deep/inner.h", "#pragma once\n")
        self.expect("src/app/uses.cpp", '#include "sql/deep/inner.h"\n')

    def test_door(self):
        self.write("src/sql/bind.cpp", "#include <duckdb.hpp>\n")
        self.expect("src/app/query.cpp", "#include <duckdb.hpp>\n", (1, "door"))

    def test_door_with_quotes(self):
        self.expect("src/app/query.cpp", '#include "duckdb/main/connection.hpp"\n', (1, "door"))

    def test_unknown_library(self):
        self.expect("src/base/new.cpp", "#include <vector>\n#include <newlib/thing.h>\n", (2, "door"))

    def test_hidden_library_leaks_through_headers(self):
        self.write("src/sql/leak.h", "#pragma once\n#include <duckdb.hpp>\n")
        self.write("src/sql/more.h", '#pragma once\n#include "sql/leak.h"\n')
        self.expect("src/app/query.cpp", '#include "sql/more.h"\n', (1, "leak"))

    def test_include_in_comment_does_not_count(self):
        self.expect("src/base/comment.cpp", '// #include "sql/parser.h"\n')


class Calls(PlantedTree):
    def planted(self, line: str, *rules: str):
        self.expect("src/dataflow/call.cpp", f"void call() {{\n    {line}\n}}\n", *[(2, rule) for rule in rules])

    def test_clock(self):
        self.planted("auto t = std::chrono::steady_clock::now();", "clock")

    def test_time(self):
        self.planted("auto t = time(nullptr);", "clock")

    def test_sleep(self):
        self.planted("std::this_thread::sleep_for(1s);", "clock")

    def test_random_device(self):
        self.planted("std::random_device device;", "random")

    def test_rand(self):
        self.planted("int r = rand();", "random")

    def test_stream(self):
        self.planted('std::ofstream file("x");', "files")

    def test_open(self):
        self.planted('int fd = ::open("x", 0);', "files")

    def test_filesystem(self):
        self.planted('std::filesystem::remove_all("x");', "files")

    def test_socket(self):
        self.planted("int fd = ::socket(1, 2, 3);", "sockets")

    def test_console(self):
        self.planted('std::cout << "x";', "console")

    def test_exit(self):
        self.planted("std::exit(1);", "exit")

    def test_members_and_comments_and_strings_are_free(self):
        self.planted('clock.time(nullptr); file->open(1); log("std::cout rand()");  // std::chrono::system_clock')

    def test_base_is_free(self):
        self.expect("src/base/real_env.cpp", "auto now() { return std::chrono::system_clock::now(); }\n")


class Sizes(PlantedTree):
    LONG = "int f() {\n" + "    step();\n" * 70 + "}\n"

    def test_function(self):
        self.expect("src/base/long.cpp", "\n" + self.LONG, (2, "function-size"))

    def test_function_at_the_limit(self):
        self.expect("src/base/long.cpp", "int f() {\n" + "    step();\n" * 68 + "}\n")

    def test_python_function(self):
        self.expect("tools/long.py", "def f():\n" + "    step()\n" * 70, (1, "function-size"))

    def test_file(self):
        self.expect("src/base/long.h", "int x;\n" * 501, (1, "file-size"))

    def test_ratchet_holds(self):
        self.write("tools/ratchet.toml", '[functions]\n"src/base/long.cpp: f" = 72\n')
        self.expect("src/base/long.cpp", self.LONG)

    def test_ratchet_refuses_growth(self):
        self.write("tools/ratchet.toml", '[functions]\n"src/base/long.cpp: f" = 71\n')
        self.expect("src/base/long.cpp", self.LONG, (1, "function-size"))

    def test_ratchet_goes_down(self):
        self.write("tools/ratchet.toml", '[functions]\n"src/base/long.cpp: f" = 90\n"src/base/gone.cpp: g" = 80\n')
        self.write("src/base/long.cpp", self.LONG)
        self.assertEqual([("tools/ratchet.toml", 1, "ratchet")] * 2, self.found())


class FunctionsOfCpp(unittest.TestCase):
    def test_names_and_lines(self):
        source = textwrap.dedent("""\
            #define BLOCK(x) { x }
            namespace a {
            template <class T>
            class Shelf final : public Base<T> {
             public:
                explicit Shelf(int a) : a_{a},
                                        b_(1) {
                    fill();
                }
                int size() const { return a_; }
             private:
                std::vector<int> rows_{1, 2};
                enum class Kind { one, two };
            };
            struct Point { int x = 0; };
            constexpr int kTable[] = {1, 2, 3};

            template <typename T>
            Result<std::vector<T>> Shelf<T>::rows(const char* text, int count) {
                auto later = [&] { return "}"; };
                if (count > '{') {
                    return later();
                }
            }
            TEST(Shelf, Fills) {
                EXPECT_EQ(1, 1);
            }
            }  // namespace a
            """)
        self.assertEqual(
            [("Shelf", 6, 4), ("size", 10, 1), ("Shelf<T>::rows", 18, 7), ("Shelf.Fills", 25, 3)],
            [(f.name, f.line, f.lines) for f in cpp.functions(source)],
        )

    def test_raw_strings_and_digit_separators(self):
        source = 'int a() {\n    return f(R"({{{)") + 1\'000\'000;\n}\nint b() { return 0; }\n'
        self.assertEqual(["a", "b"], [f.name for f in cpp.functions(source)])


class Docs(PlantedTree):
    def test_map_misses_a_folder(self):
        self.write("docs/architecture.md", "`base/`, `src/sql` and `src/app/`; dataflow too\n")
        self.assertEqual([("docs/architecture.md", 1, "map")], self.found())

    def test_path_in_code_span(self):
        self.expect("README.md", "See `src/base/result.h`.\nAnd `src/base/gone.h`.\n", (2, "doc-path"))

    def test_path_by_folder_name(self):
        self.expect("README.md", "See `base/result.h` and `sql/gone.h`.\n", (1, "doc-path"))

    def test_link(self):
        self.expect("docs/guide.md", "[map](architecture.md) [readme](../README.md)\n", (1, "doc-path"))

    def test_placeholders_and_urls_are_no_paths(self):
        self.expect("README.md", "`src/<folder>/x.h` `src/*/y.h` `GET /v1/sql` `read/write` [x](https://x.example/src/gone)\n")


class Words(PlantedTree):
    def test_registry(self):
        self.expect("tools/get.sh", "curl https://" + "registry.npm" + "js.org/duckdb\n", (1, "registry"))

    def test_machine_path(self):
        self.expect("tools/get.sh", "cd /" + "root/millrace\n", (1, "machine-path"))

    def test_note(self):
        self.expect("src/base/note.h", "// FIX" + "ME: later\n", (1, "note"))

    def test_relative_paths_are_free(self):
        self.expect("tools/get.sh", 'cd "$HOME/work/x" && ls build/tmp/x\n')


class TestsAreRun(PlantedTree):
    """What ctest would run is given here; the real one is asked by test_house.py."""

    def planted(self, *paths: str) -> list[tuple[str, str]]:
        build = self.root / "build"
        build.mkdir(exist_ok=True)
        (build / "compile_commands.json").write_text(f'[{{"file": "{self.root}/test/sql/a_test.cpp"}}]')
        entries = {"sql": ["test_sql"], "e2e/run": ["python3", f"{self.root}/test/e2e/test_run.py"]}
        for path in paths:
            self.write(path, "")
        original, run._ctest_entries = run._ctest_entries, lambda _: entries
        self.addCleanup(setattr, run, "_ctest_entries", original)
        return sorted((f.path, f.rule) for f in run.check(Tree(self.root), build))

    def test_all_run(self):
        self.assertEqual([], self.planted("test/sql/a_test.cpp", "test/e2e/test_run.py", "test/sql/joins/left.slt"))

    def test_forgotten_program(self):
        self.assertEqual([("test/log/b_test.cpp", "not-run")], self.planted("test/log/b_test.cpp"))

    def test_forgotten_script(self):
        self.assertEqual([("test/e2e/test_new.py", "not-run")], self.planted("test/e2e/test_new.py"))

    def test_golden_file_elsewhere(self):
        self.assertEqual([("test/log/x.slt", "not-run")], self.planted("test/log/x.slt"))

    def test_switched_off(self):
        self.write("test/sql/a_test.cpp", "TEST(A, DISABLED_" + "B) {}\n")
        self.assertEqual([("test/sql/a_test.cpp", "not-run")], self.planted())


if __name__ == "__main__":
    unittest.main()
