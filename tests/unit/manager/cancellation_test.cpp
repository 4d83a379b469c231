#include "lives.hpp"

using namespace evercert;
using namespace std::chrono_literals;

namespace {

/// A life that is stopped after its nth handler, and the one after it. False if the first was over before.
bool stop_at(int n, test::lasting_ca& ca, test::keeping::kind where, test::deed what) {
    test::keeping kept{where};
    const auto name = "n" + std::to_string(n) + ".test";
    if (what == test::deed::renew)
        kept.fill(test::due(name));
    const auto before = ca.counts();
    test::life first{ca, kept};
    first.cut.at(n, [&] { first.manager->stop(); });
    try {
        test::live(first, name, what);
    } catch (const std::logic_error&) {
        throw;
    } catch (const std::exception&) {
        REQUIRE(first.cut.happened());  // nothing else may fail
    }
    const bool stopped = first.cut.happened();
    first.end();
    CAPTURE(n, first.cut.where());
    ca.settle();
    kept.check_tidy("certificates/" + name);
    const auto cut = ca.counts() - before;

    test::life second{ca, kept};
    test::live(second, name, what);
    second.end();
    test::check_whole(kept, name, cut, ca.counts() - before);
    kept.check_tidy("certificates/" + name);
    return stopped;
}

asio::awaitable<void> register_and_obtain(manager& by) {
    co_await by.register_account("ops@a.test");
    co_await by.cert("a.test");
}

/// Those who ask leave after the nth handler. False if they had their answer before.
bool leave_at(int n, test::lasting_ca& ca) {
    test::keeping kept{test::keeping::kind::memory};
    const auto before = ca.counts();
    test::life one{ca, kept};
    one.serve();
    std::optional<test::started<void>> asked;
    one.cut.at(n, [&] { asked->cancel(); });
    asked.emplace(one.io.get_executor(), register_and_obtain(*one.manager));
    one.until([&] { return asked->ended(); });
    CAPTURE(n, one.cut.where());
    const bool left = one.cut.happened();
    if (!left)
        CHECK_NOTHROW(asked->take());
    CHECK(one.run(one.manager->cert("a.test"))->covers("a.test"));
    one.end();
    const auto all = ca.counts() - before;
    CHECK(all.accounts == 1);
    CHECK(all.orders == 1);
    CHECK(all.finalized == 1);
    kept.check_tidy("certificates/a.test");
    return left;
}

}  // namespace

TEST_CASE("stop() at any moment of an order or a renewal leaves nothing behind, and nothing is done twice") {
    const auto where =
        GENERATE(test::keeping::kind::memory, test::keeping::kind::folder, test::keeping::kind::cache_file);
    const auto what = GENERATE(test::deed::obtain, test::deed::renew);
    CAPTURE(where, what);
    test::lasting_ca ca;
    stop_at(1'000'000, ca, where, what);  // what is made once in a process
    ca.settle();
    const auto descriptors = test::open_descriptors();
    // A folder is the slowest, and waits where a file does.
    const int stride = where == test::keeping::kind::folder ? 3 : 1;
    int n = 1;
    for (; stop_at(n, ca, where, what); n += stride) {
        ca.settle();
        CAPTURE(n);
        CHECK(test::open_descriptors() == descriptors);
    }
    CHECK(n > 50);
}

TEST_CASE("an order whose certificate was saved already is not taken for the renewal") {
    test::lasting_ca ca;
    test::keeping kept{test::keeping::kind::memory};
    {
        test::life first{ca, kept};
        std::string url;
        first.on_line = [&](std::string_view line) {
            if (line.starts_with("order for a.test: "))
                url = line.substr(std::string_view{"order for a.test: "}.size());
        };
        test::live(first, "a.test", test::deed::obtain);
        first.end();
        auto record = read_certificate(*kept.item("certificates/a.test"));
        const auto now = system_clock()->wall();
        record.obtained = now - 24h * 30;
        record.window = suggested_window{now - 2h, now - 1h};
        record.poll_at = now + 24h;
        const auto key = record.certificate->get()->key();
        kept.fill(
            {{"certificates/a.test", to_json(record)},
             {"orders/a.test", to_json(pending_order{ca.server->directory_url(), url, key, now})}});
    }
    test::life second{ca, kept};
    second.serve();
    second.until([&] { return second.manager->find("a.test") != nullptr; });
    const auto before = second.manager->find("a.test");
    second.until([&] { return second.manager->find("a.test") != before; });
    CHECK(second.manager->find("a.test")->serial() != before->serial());
    CHECK(ca.counts().orders == 2);
    CHECK(ca.server->count("certificate") == 2);
    second.end();
}

TEST_CASE("those who wait for an account or a certificate may leave at any moment: the work goes on, once") {
    test::lasting_ca ca;
    int n = 1;
    while (leave_at(n, ca))
        ++n;
    CHECK(n > 50);
}
