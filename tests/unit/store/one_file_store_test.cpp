#include <sys/stat.h>

#include <evercert/error.hpp>

#include "catch.hpp"
#include "resource_limits.hpp"
#include "run.hpp"
#include "store/durable_file.hpp"
#include "store/one_file_store.hpp"
#include "temp_folder.hpp"

using namespace evercert;

namespace {

struct fixture {
    test::temp_folder folder;
    asio::io_context io;
    std::shared_ptr<worker> blocking = std::make_shared<worker>();
    std::string path = folder.file("cache");

    std::shared_ptr<one_file_store> open() {
        return one_file_store::open(io.get_executor(), blocking, system_clock(), system_disk(), path);
    }
    void save(store& to, std::string key, std::string value) {
        test::run_io(io, to.save(std::move(key), std::move(value)));
    }
    std::size_t files() const {
        return static_cast<std::size_t>(std::distance(std::filesystem::directory_iterator{folder.path()}, {}));
    }
};

}  // namespace

TEST_CASE("what was saved in a file is there after a restart") {
    fixture f;
    f.save(*f.open(), "hosts", R"({"any":true})");
    auto again = f.open();
    const auto loaded = test::run_io(f.io, again->load("hosts"));
    CHECK(loaded == R"({"any":true})");
    CHECK_FALSE(test::run_io(f.io, again->load("other")));
    CHECK(again->items().size() == 1);
}

TEST_CASE("the file is for its owner alone, and the generation before is kept") {
    fixture f;
    auto store = f.open();
    f.save(*store, "a", R"({"n":1})");
    f.save(*store, "a", R"({"n":2})");
    struct stat info = {};
    REQUIRE(::stat(f.path.c_str(), &info) == 0);
    CHECK((info.st_mode & 0777) == 0600);
    CHECK(read_document(test::read_all(f.path)).at("a").at("n").as_int64() == 2);
    CHECK(read_document(test::read_all(f.path + ".previous")).at("a").at("n").as_int64() == 1);
    CHECK(f.files() == 2);
}

TEST_CASE("a damaged file is an error that names it, and is not touched") {
    fixture f;
    for (const std::string content :
         {"{\"evercert\": 1, \"items\": {", "garbage", "{\"evercert\": 99, \"items\": {}}"}) {
        test::write_all_to(f.path, content);
        try {
            f.open();
            FAIL("accepted: " << content);
        } catch (const error& e) {
            CHECK((e.code() == errc::state_damaged || e.code() == errc::state_version));
            CHECK(std::string{e.what()}.find(f.path) == 0);
        }
        CHECK(test::read_all(f.path) == content);
    }
}

TEST_CASE("an empty file is a fresh start, and so is none") {
    fixture f;
    CHECK(f.open()->items().empty());
    test::write_all_to(f.path, "");
    CHECK(f.open()->items().empty());
}

TEST_CASE("a full disk is an error, and the file is there as it was") {
    fixture f;
    auto store = f.open();
    f.save(*store, "a", R"({"n":1})");
    const auto before = test::read_all(f.path);
    {
        const test::file_size_limit full{100};
        try {
            f.save(*store, "b", "{\"n\":\"" + std::string(1000, 'x') + "\"}");
            FAIL("saved on a full disk");
        } catch (const error& e) {
            CHECK(e.code() == errc::store_failed);
            CHECK(std::string{e.what()}.find(f.path) != std::string::npos);
        }
    }
    CHECK(test::read_all(f.path) == before);
    CHECK(f.files() == 1);
    f.save(*store, "c", R"({"n":3})");
    CHECK(read_document(test::read_all(f.path)).size() == 3);
}

TEST_CASE("a folder that is missing, or a file that is one, is an error that names it") {
    fixture f;
    f.path = f.folder.file("missing/cache");
    CHECK_THROWS_WITH(f.open(), Catch::Matchers::ContainsSubstring("missing/cache"));
    f.path = f.folder.path().string();
    CHECK_THROWS_AS(f.open(), error);
}

TEST_CASE("what a killed process left half written is not taken for the state") {
    fixture f;
    f.save(*f.open(), "a", R"({"n":1})");
    test::write_all_to(f.path + ".new", "half");
    auto store = f.open();
    CHECK(store->items().at("a").at("n").as_int64() == 1);
    f.save(*store, "a", R"({"n":2})");
    CHECK(f.open()->items().at("a").at("n").as_int64() == 2);
    CHECK(f.files() == 2);
}

TEST_CASE("many saves at once are all in the file when they return, in few writes") {
    fixture f;
    auto store = f.open();
    std::vector<std::unique_ptr<test::started<void>>> saves;
    for (int i = 0; i < 100; ++i)
        saves.push_back(std::make_unique<test::started<void>>(
            f.io.get_executor(), store->save("k" + std::to_string(i), R"({"n":1})")));
    auto all = [&]() -> asio::awaitable<void> {
        for (auto& one : saves)
            co_await one->join();
    };
    test::run_io(f.io, all());
    CHECK(read_document(test::read_all(f.path)).size() == 100);
    // The first wrote alone, one more wrote for all the others: the generation before has the first's.
    CHECK(read_document(test::read_all(f.path + ".previous")).size() < 100);
}

TEST_CASE("a cancelled save leaves the store able to save") {
    fixture f;
    auto store = f.open();
    test::started<void> cancelled{f.io.get_executor(), store->save("a", R"({"n":1})")};
    f.io.poll();
    cancelled.cancel();
    f.save(*store, "b", R"({"n":2})");
    CHECK(f.open()->items().contains("b"));
}
