#include <atomic>
#include <string>
#include <thread>
#include <vector>

#include <asio/co_spawn.hpp>
#include <asio/thread_pool.hpp>

#include <evercert/error.hpp>
#include <evercert/manager.hpp>
#include <evercert/rethrow.hpp>

#include "../unit/manager/manager_fixture.hpp"
#include "catch.hpp"

using namespace evercert;

namespace {

constexpr int clients = 4;
constexpr int rounds = 100;

/// What clients got: the certificate asked for, a refusal, or what must not be.
struct tally {
    std::atomic<int> served = 0;
    std::atomic<int> refused = 0;
    std::atomic<int> wrong = 0;
};

/// Asks for a name that is there and for one that is not admitted, on an executor that is not the manager's.
asio::awaitable<void> ask(manager& of, tally& got) {
    for (int i = 0; i < rounds; ++i) {
        client_hello known{"here.test", {"h2", "http/1.1"}};
        const auto cert = co_await of.get_certificate(std::move(known));
        ++(cert && cert->names().front() == identifier{"here.test"} ? got.served : got.wrong);
        try {
            client_hello unknown{"elsewhere.test", {}};
            co_await of.get_certificate(std::move(unknown));
            ++got.wrong;
        } catch (const error& e) {
            ++(e.code() == errc::name_not_allowed ? got.refused : got.wrong);
        }
    }
}

/// A state with a certificate for these names that admits here.test alone.
std::string restricted(std::vector<identifier> names) {
    asio::io_context io;
    manager of{io};
    of.unmarshal(test::state_with(std::move(names)));
    of.set_hosts({"here.test"});
    return of.marshal();
}

}  // namespace

TEST_CASE("a manager is asked, read, replaced and stopped by several threads at once") {
    const auto one = restricted({"here.test"}), another = restricted({"here.test", "more.test"});
    asio::thread_pool pool{3};
    tally got;
    {
        manager_options options;
        options.network = std::make_shared<test::closed_network>();
        manager of{pool.get_executor(), std::move(options)};
        of.unmarshal(one);
        asio::co_spawn(pool, of.run(), rethrow);
        for (int i = 0; i < clients; ++i)
            asio::co_spawn(pool, ask(of, got), rethrow);
        std::thread reader{[&] {
            for (int i = 0; i < rounds; ++i)
                if (!of.find("here.test") || of.marshal().empty())
                    ++got.wrong;
        }};
        while (got.served + got.refused + got.wrong < 2 * clients * rounds) {
            of.unmarshal(another);
            of.set_hosts({"here.test"});
            of.unmarshal(one);
            of.watch().try_receive();
        }
        reader.join();
        of.stop();
        pool.join();
    }
    CHECK(got.wrong == 0);
    CHECK(got.served == clients * rounds);
    CHECK(got.refused == clients * rounds);
}
