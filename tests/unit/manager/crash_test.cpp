#include "base/event.hpp"
#include "forwarding_store.hpp"
#include "lives.hpp"

using namespace evercert;
using namespace std::chrono_literals;

namespace {

/// A life whose process is gone after its nth handler, and the one after it. False if the first was over before.
bool crash_at(int n, test::lasting_ca& ca, test::keeping::kind where, test::deed what) {
    test::keeping kept{where};
    const auto name = "n" + std::to_string(n) + ".test";
    if (what == test::deed::renew)
        kept.fill(test::due(name));
    const auto before = ca.counts();
    std::string at;
    bool killed = false;
    {
        test::life first{ca, kept};
        first.cut.at(n, [&] { first.kill(); });
        try {
            test::live(first, name, what);
        } catch (const std::runtime_error&) {
            REQUIRE(first.killed());  // nothing else may fail
        }
        at = first.cut.where();
        killed = first.killed();
    }
    CAPTURE(n, at);
    // What the kernel does for a process that is gone.
    kept.close();
    kept.reopen();
    ca.settle();
    const auto cut = ca.counts() - before;
    const auto account = kept.account(ca.server->directory_url());
    CHECK((cut.accounts == 0 || account));

    test::life second{ca, kept};
    test::live(second, name, what);
    second.end();
    test::check_whole(kept, name, cut, ca.counts() - before);
    kept.check_tidy("certificates/" + name);
    if (account)
        CHECK(kept.account(ca.server->directory_url())->key == account->key);
    return killed;
}

/// Who asks first for a certificate gets it when the gate is open.
class gated_store final : public test::forwarding_store {
public:
    gated_store(std::shared_ptr<store> next, asio::any_io_executor executor)
        : forwarding_store{std::move(next)}, changed_{std::move(executor)} {}

    asio::awaitable<std::optional<std::string>> load(std::string key) override {
        const bool first = key.starts_with("certificates/") && asked++ == 0;
        auto value = co_await next->load(std::move(key));
        while (first && !open_)
            co_await changed_.wait();
        co_return value;
    }
    void open() {
        open_ = true;
        changed_.notify_all();
    }
    int asked = 0;

private:
    bool open_ = false;
    event changed_;
};

}  // namespace

TEST_CASE("a crash at any moment costs at most an order that was not finalized, and no account or certificate") {
    const auto where = GENERATE(test::keeping::kind::folder, test::keeping::kind::cache_file);
    const auto what = GENERATE(test::deed::obtain, test::deed::renew);
    CAPTURE(where, what);
    test::lasting_ca ca;
    crash_at(1'000'000, ca, where, what);  // what is made once in a process
    ca.settle();
    const auto descriptors = test::open_descriptors();
    // A folder is the slowest, and waits where a file does.
    const int stride = where == test::keeping::kind::folder ? 3 : 1;
    int n = 1;
    for (; crash_at(n, ca, where, what); n += stride) {
        ca.settle();
        CAPTURE(n);
        CHECK(test::open_descriptors() == descriptors);
    }
    CHECK(n > 50);
}

TEST_CASE("a certificate that is read at the start while somebody waits for it is not ordered again") {
    test::lasting_ca ca;
    test::keeping kept{test::keeping::kind::memory};
    test::life first{ca, kept};
    test::live(first, "a.test", test::deed::obtain);
    first.end();

    const auto gate = std::make_shared<gated_store>(kept.store, ca.io.get_executor());
    kept.store = gate;
    test::life second{ca, kept};
    const auto asked = second.start(second.manager->cert("a.test"));
    second.until([&] { return gate->asked == 1; });
    second.serve();
    second.until([&] { return second.manager->find("a.test") != nullptr; });
    gate->open();
    second.until([&] { return asked->ended(); });
    CHECK(asked->take()->covers("a.test"));
    CHECK(ca.counts().orders == 1);
    second.end();
}
