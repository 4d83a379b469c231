#include <memory>
#include <optional>
#include <string>
#include <vector>

#include <asio/io_context.hpp>
#include <asio/post.hpp>

#include <evercert/error.hpp>
#include <evercert/file_store.hpp>
#include <evercert/testing/simulated_disk.hpp>
#include <evercert/testing/simulated_time.hpp>
#include <evercert/testing/simulated_worker.hpp>

#include "base/worker.hpp"
#include "catch.hpp"
#include "run.hpp"

using namespace evercert;
using namespace std::chrono_literals;
using evercert::testing::simulated_disk;
using evercert::testing::simulated_time;
using evercert::testing::simulated_worker;

namespace {

struct setting {
    asio::io_context io;
    simulated_time time{io};
    simulated_worker slow{time};

    void post(std::vector<duration>& done) {
        asio::post(slow.get_executor(), [this, &done] { done.push_back(time.elapsed()); });
    }
};

}  // namespace

TEST_CASE("a simulated worker does one piece after another, and each takes so long") {
    setting on;
    std::vector<duration> done;
    on.post(done);
    on.time.pass(0s);
    CHECK(done == std::vector<duration>{0s});
    on.slow.takes(5s);
    on.post(done);
    on.post(done);
    on.slow.takes(1s);
    on.post(done);
    on.time.pass(20s);
    on.post(done);
    on.slow.takes(0s);
    on.post(done);
    on.time.pass(20s);
    CHECK(done == std::vector<duration>{0s, 5s, 10s, 11s, 21s, 21s});
}

TEST_CASE("a store on a simulated worker is slow, while everything else goes on") {
    setting on;
    simulated_disk machine;
    machine.create_folder("/var/lib");
    file_store_options options;
    options.clock = on.time.make_clock();
    options.disk = machine.process();
    options.blocking_executor = on.slow.get_executor();
    const auto store = file_store("/var/lib/evercert", options);
    on.time.run(store->save("a", "{}"));
    CHECK(on.time.elapsed() == 0s);

    on.slow.takes(20s);
    test::started<> saving{on.io.get_executor(), store->save("b", "{}")};
    on.time.run(options.clock->sleep_for(1s));
    CHECK(on.time.elapsed() == 1s);
    CHECK(!saving.ended());
    CHECK(!machine.content("/var/lib/evercert/b.json"));
    on.time.run_until([&] { return saving.ended(); }, 1h);
    CHECK(on.time.elapsed() >= 20s);
    CHECK(on.time.elapsed() <= 60s);
    CHECK(machine.content("/var/lib/evercert/b.json"));
}

TEST_CASE("what a simulated worker was given is dropped with the simulated time, and its executor stays") {
    asio::io_context io;
    std::optional<simulated_time> time{io};
    std::optional<simulated_worker> slow{*time};
    slow->takes(1h);
    const auto executor = slow->get_executor();
    CHECK(executor == slow->get_executor());
    const auto kept = std::make_shared<int>();
    asio::post(executor, [kept] {});
    CHECK(kept.use_count() == 2);
    slow.reset();
    time.reset();
    CHECK(kept.use_count() == 1);
    asio::post(executor, [kept] {});
    io.poll();
    CHECK(kept.use_count() == 1);
}
