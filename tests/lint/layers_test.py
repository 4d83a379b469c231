#!/usr/bin/env python3
"""The checks of includes and seams: a tree that keeps the rules passes, and each broken rule is named."""

import sys
import tempfile
import unittest
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "tools/lint"))
import includes  # noqa: E402
import seams  # noqa: E402


class Tree(unittest.TestCase):
    def setUp(self):
        self._folder = tempfile.TemporaryDirectory()
        self.addCleanup(self._folder.cleanup)
        self.root = Path(self._folder.name)

    def write(self, path, text):
        (self.root / path).parent.mkdir(parents=True, exist_ok=True)
        (self.root / path).write_text(text, encoding="utf-8")


class Includes(Tree):
    def wrong(self):
        return includes.wrong_arrows(self.root)

    def assert_one(self, *parts):
        wrong = self.wrong()
        self.assertEqual(len(wrong), 1, wrong)
        for part in parts:
            self.assertIn(part, wrong[0])

    def test_arrows_downwards_and_within_a_layer_are_right(self):
        self.write("lib/manager/a.cpp", '#include "issuance/order.hpp"\n#include "store/file.hpp"\n')
        self.write("lib/acme/a.cpp", '#include "acme/nonce.hpp"\n#include "crypto/jws.hpp"\n#include <vector>\n')
        self.write("lib/base/a.cpp", "#include <evercert/manager.hpp>\n#include <asio/ip/tcp.hpp>\n")
        self.write("include/evercert/a.hpp", "#include <evercert/b.hpp>\n#include <asio/awaitable.hpp>\n")
        self.write("examples/a.cpp", '#include "page.hpp"\n#include <evercert/testing/acme_server.hpp>\n')
        self.assertEqual(self.wrong(), [])

    def test_an_arrow_upwards_is_named_with_its_line(self):
        self.write("lib/crypto/a.cpp", '#include "base/a.hpp"\n\n  #  include "tls/a.hpp"\n')
        self.assert_one("lib/crypto/a.cpp:3:", "crypto does not see tls")

    def test_angle_brackets_hide_no_arrow(self):
        self.write("lib/lookup/a.cpp", "#include <http/a.hpp>\n")
        self.assert_one("lookup does not see http")

    def test_a_relative_path_hides_no_arrow(self):
        self.write("lib/lookup/a.cpp", '#include "../http/a.hpp"\n')
        self.assert_one("begin with the layer")

    def test_a_comment_and_a_text_are_no_include(self):
        self.write("lib/base/a.cpp", '// #include "tls/a.hpp"\n/*\n#include "tls/a.hpp"\n*/\nauto a = "//";\n')
        self.assertEqual(self.wrong(), [])

    def test_a_public_header_includes_nothing_of_lib(self):
        self.write("include/evercert/a.hpp", "#include <base/a.hpp>\n")
        self.assert_one("nothing of lib/")

    def test_a_public_header_includes_nothing_in_quotes(self):
        self.write("include/evercert/a.hpp", '#include "b.hpp"\n')
        self.assert_one("<evercert/...>")

    def test_a_public_header_needs_no_private_library(self):
        self.write("include/evercert/a.hpp", "#include <boost/json.hpp>\n")
        self.assert_one("needs no other library")

    def test_only_testing_sees_the_public_test_headers(self):
        self.write("lib/testing/a.cpp", "#include <evercert/testing/acme_server.hpp>\n")
        self.write("lib/manager/a.cpp", "#include <evercert/testing/acme_server.hpp>\n")
        self.assert_one("lib/manager/a.cpp")

    def test_an_example_sees_public_headers_alone(self):
        self.write("examples/a.cpp", '#include "base/log.hpp"\n')
        self.assert_one("an example sees public headers alone")

    def test_an_unknown_layer_is_named(self):
        self.write("lib/misc/a.cpp", "")
        self.assert_one("lib/misc is no layer")


class Seams(Tree):
    BROKEN = [
        "auto now = std::chrono::system_clock::now();",
        "auto now = std::chrono::steady_clock :: now();",
        "asio::steady_timer timer{executor};",
        "auto now = std::time(nullptr);",
        "auto now = time(nullptr);",
        "auto now = ::time(NULL);",
        "clock_gettime(CLOCK_REALTIME, &now);",
        "std::this_thread::sleep_for(1s);",
        "asio::ip::tcp::socket socket{executor};",
        "tcp::acceptor acceptor{executor};",
        "asio::ip::tcp::resolver resolver{executor};",
        "asio::posix::stream_descriptor file{executor};",
        "const int fd = ::socket(AF_INET, SOCK_STREAM, 0);",
        "getaddrinfo(host, nullptr, nullptr, &found);",
        "std::thread worker{work};",
        "const int fd = ::openat(folder, name, O_RDONLY);",
        "if (::fsync(fd) != 0)",
        "renameat(from, name, to, name);",
        "std::ifstream file{path};",
        "std::filesystem::remove(path);",
        "std::remove(path.c_str());",
        "const auto pid = ::getpid();",
        "asio::co_spawn(executor, work(), asio::detached);",
    ]

    KEPT = [
        "const auto now = clock_->wall();",
        "folder->rename(from, to, name, failed);",
        "file.write(0, text, failed);",
        "auto opened = one_file_store::open(executor, path);",
        "void certificate_index::unlink(entry& from);",
        "// std::chrono::system_clock::now() is not for us",
        'log("std::chrono::system_clock::now()");',
        "std::chrono::system_clock::time_point made;",
        "wall_time time() const;",
        "virtual ~clock() = default;",
        "const auto id = std::this_thread::get_id();",
        "std::thread::id owner;",
        "co_await network.connect(target);",
        "#include <asio/co_spawn.hpp>",
    ]

    def test_each_way_around_a_seam_is_named(self):
        for line in self.BROKEN:
            with self.subTest(line):
                self.write("lib/acme/a.cpp", f"\n{line}\n")
                found = seams.leaks(self.root)
                self.assertGreaterEqual(len(found), 1)
                self.assertTrue(found[0].startswith("lib/acme/a.cpp:2:"), found)

    def test_what_keeps_to_the_seams_is_not_named(self):
        self.write("lib/acme/a.cpp", "\n".join(self.KEPT))
        self.assertEqual(seams.leaks(self.root), [])

    def test_public_headers_keep_to_the_seams_too(self):
        self.write("include/evercert/a.hpp", self.BROKEN[0])
        self.assertEqual(len(seams.leaks(self.root)), 1)

    def test_base_holds_the_seams(self):
        self.write("lib/base/system_disk.cpp", "\n".join(self.BROKEN[:-1]))
        self.assertEqual(seams.leaks(self.root), [])

    def test_within_base_only_the_system_disk_opens_files(self):
        self.write("lib/base/clock.cpp", "std::chrono::system_clock::now();\nrenameat(a, b, c, d);")
        self.assertEqual([leak.split(": ")[0] for leak in seams.leaks(self.root)], ["lib/base/clock.cpp:2"])

    def test_within_base_only_task_group_and_spawn_start_coroutines(self):
        self.write("lib/base/task_group.cpp", self.BROKEN[-1])
        self.write("lib/base/spawn.hpp", self.BROKEN[-1])
        self.write("lib/base/clock.cpp", self.BROKEN[-1])
        self.assertEqual([leak.split(":")[0] for leak in seams.leaks(self.root)], ["lib/base/clock.cpp"])


if __name__ == "__main__":
    unittest.main()
