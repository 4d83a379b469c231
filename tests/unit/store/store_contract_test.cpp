#include <evercert/error.hpp>
#include <evercert/file_store.hpp>
#include <evercert/store.hpp>

#include "catch.hpp"
#include "fake_clock.hpp"
#include "run.hpp"
#include "store/one_file_store.hpp"
#include "temp_folder.hpp"

using namespace evercert;
using namespace std::chrono_literals;

// What every store promises, whatever it keeps its values in.

namespace {

enum class kind { memory, one_file, folder };

struct fixture {
    explicit fixture(kind which) : kept{make(which)} {}

    std::shared_ptr<store> make(kind which) {
        if (which == kind::memory)
            return memory_store(clock);
        if (which == kind::one_file)
            return one_file_store::open(
                io.get_executor(), std::make_shared<worker>(io.get_executor()), clock, system_disk(),
                folder.file("cache"));
        file_store_options options;
        options.clock = clock;
        options.blocking_executor = io.get_executor();
        return file_store(folder.file("folder"), std::move(options));
    }
    template <typename T>
    T run(asio::awaitable<T> work) {
        return test::run_io(io, std::move(work));
    }
    void advance(duration by) {
        settle();
        clock->advance(by);
        settle();
    }
    void settle() {
        io.restart();
        io.poll();
    }

    asio::io_context io;
    test::temp_folder folder;
    std::shared_ptr<test::fake_clock> clock = std::make_shared<test::fake_clock>(io.get_executor());
    std::shared_ptr<store> kept;
};

kind any_store() { return GENERATE(kind::memory, kind::one_file, kind::folder); }

}  // namespace

TEST_CASE("every store keeps, lists and forgets values") {
    fixture f{any_store()};
    f.run(f.kept->save("certificates/b.test", "{}"));
    f.run(f.kept->save("certificates/a.test", "{\"a\":1}"));
    f.run(f.kept->save("hosts", "{}"));
    CHECK(f.run(f.kept->load("certificates/a.test")) == "{\"a\":1}");
    CHECK_FALSE(f.run(f.kept->load("certificates/c.test")));
    CHECK(
        f.run(f.kept->list("certificates/")) == std::vector<std::string>{"certificates/a.test", "certificates/b.test"});
    CHECK(f.run(f.kept->list("certificates/b")) == std::vector<std::string>{"certificates/b.test"});
    f.run(f.kept->remove("certificates/a.test"));
    f.run(f.kept->remove("certificates/a.test"));
    CHECK_FALSE(f.run(f.kept->load("certificates/a.test")));
    CHECK(f.run(f.kept->list("")) == std::vector<std::string>{"certificates/b.test", "hosts"});
}

TEST_CASE("a lock is held by one at a time, and freed by its owner or by time") {
    fixture f{any_store()};
    auto first = f.run(f.kept->lock("a", 10s));
    test::started<lease> second{f.io.get_executor(), f.kept->lock("a", 10s)};
    f.advance(1s);
    CHECK_FALSE(second.ended());
    f.run(f.kept->unlock(first));
    f.advance(1s);
    REQUIRE(second.ended());
    CHECK(second.take().token > first.token);
    test::started<lease> third{f.io.get_executor(), f.kept->lock("a", 10s)};
    f.settle();
    f.advance(11s);
    CHECK(third.ended());
}

TEST_CASE("a stale owner's write is refused by its fencing token") {
    fixture f{any_store()};
    const auto stale = f.run(f.kept->lock("a", 10s));
    f.advance(11s);
    const auto current = f.run(f.kept->lock("a", 10s));
    f.run(f.kept->save("a", "{\"by\":\"current\"}", current));
    try {
        f.run(f.kept->save("a", "{\"by\":\"stale\"}", stale));
        FAIL("written");
    } catch (const error& e) {
        CHECK(e.code() == errc::lock_lost);
    }
    CHECK(f.run(f.kept->load("a")) == "{\"by\":\"current\"}");
    f.run(f.kept->unlock(stale));
    test::started<lease> next{f.io.get_executor(), f.kept->lock("a", 10s)};
    f.settle();
    CHECK_FALSE(next.ended());
    next.cancel();
    f.settle();
}

TEST_CASE("a cancelled lock leaves nothing behind") {
    fixture f{any_store()};
    const auto held = f.run(f.kept->lock("a", 10s));
    test::started<lease> waiting{f.io.get_executor(), f.kept->lock("a", 10s)};
    f.settle();
    waiting.cancel();
    f.settle();
    CHECK(waiting.ended());
    f.run(f.kept->unlock(held));
    CHECK(f.run(f.kept->lock("a", 10s)).token > held.token);
}
