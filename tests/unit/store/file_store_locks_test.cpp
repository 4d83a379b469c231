#include <fcntl.h>
#include <sys/file.h>
#include <unistd.h>

#include <evercert/testing/simulated_disk.hpp>

#include "descriptors.hpp"
#include "fake_clock.hpp"
#include "file_store_fixture.hpp"

using namespace evercert;
using namespace std::chrono_literals;
using Catch::Matchers::ContainsSubstring;
using fixture = test::file_store_fixture;
using test::certificate_value;
using test::failure;
namespace json = boost::json;

TEST_CASE("a lock says to people who has it, and its file goes with it") {
    fixture f;
    auto store = f.open();
    const auto held = f.run(store->lock("certificates/a.test", 60s));
    const auto owner = json::parse(test::read_all(f.path("locks/certificates=a.test"))).as_object();
    CHECK(owner.at("key") == "certificates/a.test");
    CHECK(owner.at("pid") == ::getpid());
    CHECK(owner.at("token").to_number<std::uint64_t>() == held.token);
    CHECK_FALSE(owner.at("host").as_string().empty());
    CHECK(std::string{owner.at("until").as_string()} > std::string{owner.at("since").as_string()});
    f.run(store->unlock(held));
    f.run(store->unlock(held));
    CHECK(f.files("locks") == std::set<std::string>{".tokens"});
}

TEST_CASE("two stores of one folder exclude each other, and tokens grow across them and across restarts") {
    fixture f;
    auto one = f.open(), other = f.open();
    auto first = f.run(one->lock("a", 60s));
    test::started<lease> waiting{f.io.get_executor(), other->lock("a", 60s)};
    f.pause();
    CHECK_FALSE(waiting.ended());
    f.run(one->unlock(first));
    const auto second = f.run(waiting.join());
    CHECK(second.token > first.token);
    f.run(other->save("a", "{\"by\":2}", second));
    CHECK(
        failure([&] { f.run(one->save("a", "{\"by\":1}", first)); }, errc::lock_lost).find("\"a\"") !=
        std::string::npos);
    f.run(other->unlock(second));
    one.reset();
    other.reset();
    CHECK(f.run(f.open()->lock("a", 60s)).token > second.token);
    test::write_all_to(f.path("locks/.tokens"), "garbage");
    CHECK(f.run(f.open()->lock("a", 60s)).token > second.token);
    CHECK(f.load(*f.open(), "a") == json::object{{"by", 2}});
}

TEST_CASE("a save is refused once its lease is unlocked, past its time or its lock file gone") {
    fixture f;
    const auto time = std::make_shared<test::fake_clock>(f.io.get_executor());
    f.options.clock = time;
    f.options.blocking_executor = f.io.get_executor();
    auto store = f.open();
    const auto refused = [&](const lease& under) {
        return failure([&] { f.run(store->save("a", "{\"late\":1}", under)); }, errc::lock_lost);
    };
    auto held = f.run(store->lock("a", 10s));
    f.run(store->save("a", "{\"n\":1}", held));
    auto forged = held;
    ++forged.token;
    refused(forged);
    f.run(store->save("b", "{\"n\":1}", held));
    f.run(store->unlock(held));
    refused(held);
    held = f.run(store->lock("a", 10s));
    time->advance(10s);
    refused(held);
    CHECK(f.files("locks") == std::set<std::string>{".tokens"});
    held = f.run(store->lock("a", 10s));
    std::filesystem::remove(f.path("locks/a"));
    refused(held);
    const auto next = f.run(f.open()->lock("a", 10s));
    refused(held);
    CHECK(f.load(*store, "a") == json::object{{"n", 1}});
    CHECK(f.files("writing").empty());
}

TEST_CASE("a lock whose file is removed while one waits for it is taken on the file that is there") {
    fixture f;
    auto store = f.open();
    const auto path = f.path("locks/a");
    const int stranger = ::open(path.c_str(), O_RDWR | O_CREAT, 0600);
    REQUIRE(::flock(stranger, LOCK_EX) == 0);
    test::started<lease> waiting{f.io.get_executor(), store->lock("a", 60s)};
    f.pause();
    CHECK_FALSE(waiting.ended());
    std::filesystem::remove(path);
    const auto held = f.run(waiting.join());
    CHECK(std::filesystem::exists(path));
    f.run(store->save("a", "{}", held));
    ::close(stranger);
}

TEST_CASE("a cancelled waiter leaves no lock and no descriptor, whenever it is cancelled") {
    fixture f;
    auto store = f.open();
    f.run(store->unlock(f.run(store->lock("a", 60s))));
    const auto held = f.run(store->lock("a", 60s));
    f.pause();  // the loop's own descriptors
    const auto before = test::open_descriptors();
    for (int i = 0; i < 50; ++i) {
        // In the middle of an attempt, or between two.
        test::started<lease> waiting{f.io.get_executor(), store->lock("a", 60s)};
        test::started<lease> free{f.io.get_executor(), store->lock("b", 60s)};
        f.run(test::yield(i % 4));
        waiting.cancel();
        free.cancel();
        CHECK(f.run(test::failure_of(waiting.join())) == asio::error::operation_aborted);
        try {
            f.run(store->unlock(f.run(free.join())));  // granted before the cancellation came
        } catch (const std::system_error& e) {
            CHECK(e.code() == asio::error::operation_aborted);
        }
    }
    CHECK(test::open_descriptors() == before);
    f.run(store->unlock(held));
    CHECK(f.files("locks") == std::set<std::string>{".tokens"});
}

TEST_CASE("what killed processes left is removed by the next one that starts, what is in use is not") {
    fixture f;
    auto running = f.open();
    const auto held = f.run(running->lock("a", 60s));
    test::write_all_to(f.path("writing/4711-1"), "half");
    test::write_all_to(f.path("locks/certificates=b.test"), "{\"pid\":4711}");
    auto store = f.open();
    CHECK(f.files("writing").empty());
    CHECK(f.files("locks") == std::set<std::string>{".tokens", "a"});
    f.run(running->save("a", "{}", held));
}

TEST_CASE("a file system without locks is an error that says what to do, and what is there stays") {
    asio::io_context io;
    testing::simulated_disk machine;
    machine.create_folder("/var");
    file_store_options options;
    options.disk = machine.process();
    options.blocking_executor = io.get_executor();
    auto store = file_store("/var/store", options);
    test::run_io(io, store->save("hosts", "{\"any\":true}"));
    machine.has_locks(false);
    // One that is open loads, and neither saves nor locks.
    CHECK_THAT(failure([&] { test::run_io(io, store->lock("a", 60s)); }), ContainsSubstring("no flock"));
    CHECK_THAT(
        failure([&] { test::run_io(io, store->save("hosts", "{\"any\":false}")); }), ContainsSubstring("no flock"));
    CHECK(test::run_io(io, store->load("hosts")) == "{\"any\":true}");
    store.reset();
    CHECK_THAT(
        failure([&] { file_store("/var/store", options); }), ContainsSubstring("keep the store on a local disk"));
    machine.has_locks(true);
    CHECK(test::run_io(io, file_store("/var/store", options)->load("hosts")) == "{\"any\":true}");
}
