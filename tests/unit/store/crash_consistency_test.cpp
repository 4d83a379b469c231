#include <random>

#include <evercert/testing/simulated_disk.hpp>

#include "fake_clock.hpp"
#include "file_store_fixture.hpp"
#include "store/one_file_store.hpp"

// A crash after every single operation of a run: each value is the old or the new one, whole, and the store opens.

using namespace evercert;
using namespace std::chrono_literals;
using testing::simulated_disk;
using fault = simulated_disk::fault;
using outage = simulated_disk::outage;
namespace json = boost::json;

namespace {

enum class kind { folder, one_file };

struct step {
    std::string key;
    std::optional<std::string> value;  ///< none = it is removed
    bool locked = false;
};

std::string padded(int n, std::size_t size) {
    return json::serialize(json::object{{"n", n}, {"text", std::string(size, static_cast<char>('a' + n % 26))}});
}

const std::vector<step>& history() {
    static const auto first = json::serialize(test::certificate_value({"a.test"}));
    static const auto second = json::serialize(test::certificate_value({"a.test"}));
    static const std::string long_name = "certificates/" + std::string(260, 'x');
    static const std::vector<step> steps{
        {"hosts", padded(1, 10)},         {"certificates/a.test", first, true},
        {"orders/a.test", padded(2, 20)}, {"certificates/a.test", second, true},
        {"orders/a.test", std::nullopt},  {"hosts", padded(3, 9000)},              // in several writes
        {"hosts", padded(4, 5000)},       {"certificates/a.test", padded(5, 10)},  // no longer PEM
        {"certificates/a.test", first},   {long_name, padded(6, 10), true},
        {long_name, std::nullopt, true},  {"certificates/a.test", std::nullopt},
        {"certificates/a.test", second},
    };
    return steps;
}

/// What the history promised so far: of each key the last value that was said to be durable, and those after it.
class promises {
public:
    using value = std::optional<std::string>;

    void begin(const step& one) { of(one.key).push_back(one.value); }
    void end(const step& one) { of(one.key) = {one.value}; }
    bool allow(const std::string& key, const value& found) {
        const auto& all = of(key);
        return std::find(all.begin(), all.end(), found) != all.end();
    }

private:
    std::vector<value>& of(const std::string& key) {
        return allowed_.try_emplace(key, std::vector<value>{std::nullopt}).first->second;
    }

    std::map<std::string, std::vector<value>> allowed_;
};

struct run {
    run(kind what, simulated_disk& on) : what{what}, machine{on} {}

    /// What a process does when it starts.
    void open() {
        process = machine.process();
        const auto blocking = std::make_shared<worker>(io.get_executor());
        if (what == kind::one_file) {
            kept = one_file_store::open(io.get_executor(), blocking, clock, process, "/var/store");
            return;
        }
        file_store_options options;
        options.disk = process;
        options.clock = clock;
        options.blocking_executor = io.get_executor();
        kept = file_store("/var/store", options);
    }
    template <typename T>
    T wait(asio::awaitable<T> work) {
        return test::run_io(io, std::move(work));
    }
    void take(const step& one) {
        promised.begin(one);
        wait(kept->unlock(std::exchange(held, {})));
        held = one.locked ? wait(kept->lock(one.key, 10s)) : lease{};
        wait(one.value ? kept->save(one.key, *one.value, held) : kept->remove(one.key));
        promised.end(one);
        wait(kept->unlock(std::exchange(held, {})));
    }
    void take_all() {
        for (const auto& one : history())
            take(one);
    }
    /// Until the end, or until the machine is off.
    void live() {
        try {
            open();
            take_all();
        } catch (const error&) {
            REQUIRE(machine.is_off());
        }
        kept.reset();
        held = {};
    }
    /// Each value is what it may be.
    void check_values() {
        std::vector<std::string> there;
        for (const auto& one : history()) {
            const auto found = wait(kept->load(one.key));
            CAPTURE(one.key, found.value_or("none").substr(0, 40));
            CHECK(promised.allow(one.key, found));
            if (found && std::find(there.begin(), there.end(), one.key) == there.end())
                there.push_back(one.key);
        }
        std::sort(there.begin(), there.end());
        CHECK(wait(kept->list("")) == there);
    }
    /// Nothing lies about that the next start would not remove.
    void check_tidy() {
        std::vector<std::string> left;
        for (const auto& path : machine.files("/var")) {
            const bool is_value = what == kind::folder
                ? path.find("/writing/") == path.npos && path.find("/locks/") == path.npos
                : path == "/var/store" || path == "/var/store.previous";
            if (!is_value && path != "/var/store/locks/.tokens")
                left.push_back(path);
        }
        CHECK(left == std::vector<std::string>{});
    }
    /// Power goes away, and all that was said to be durable is there.
    void check_durable() {
        kept.reset();
        held = {};
        machine.restart();
        open();
        check_values();
    }

    const kind what;
    simulated_disk& machine;
    asio::io_context io;
    std::shared_ptr<test::fake_clock> clock = std::make_shared<test::fake_clock>(io.get_executor());
    std::shared_ptr<disk> process;
    std::shared_ptr<store> kept;
    promises promised;
    lease held;
};

simulated_disk::random_source draws(unsigned seed) {
    return seed == 0 ? simulated_disk::random_source{} : std::mt19937_64{seed};
}

/// False if the run was over before.
bool crash_at(std::uint64_t n, kind what, bool has_links, unsigned seed, outage how) {
    simulated_disk machine{draws(seed)};
    machine.has_links(has_links);
    machine.create_folder("/var");
    run first{what, machine};
    machine.crash_after(n);
    first.live();
    const bool crashed = machine.is_off();
    CAPTURE(n, has_links, seed);
    machine.restart(how);
    first.open();
    first.check_values();
    if (what == kind::folder)
        first.check_tidy();
    // It goes on as if nothing had been.
    first.take(history().at(1));
    first.check_durable();
    first.take_all();
    first.check_values();
    first.check_tidy();
    first.check_durable();
    return crashed;
}

}  // namespace

TEST_CASE("after a power cut at any operation each value is the old or the new one, whole") {
    const auto what = GENERATE(kind::folder, kind::one_file);
    const bool has_links = GENERATE(true, false);
    const auto seed = GENERATE(0u, 1u, 2u, 3u, 4u, 5u);
    std::uint64_t n = 0;
    while (crash_at(n, what, has_links, seed, outage::power))
        ++n;
    CHECK(n > 60);
}

TEST_CASE("after a kill at any operation, and a power cut later, each value is the old or the new one, whole") {
    const auto what = GENERATE(kind::folder, kind::one_file);
    const bool has_links = GENERATE(true, false);
    const auto seed = GENERATE(0u, 7u, 8u);
    std::uint64_t n = 0;
    while (crash_at(n, what, has_links, seed, outage::processes))
        ++n;
    CHECK(n > 60);
}

TEST_CASE("a disk that fails at any operation is an error, loses nothing, and is used again when it works") {
    const auto what = GENERATE(kind::folder, kind::one_file);
    const bool has_links = GENERATE(true, false);
    const auto wrong = GENERATE(fault::full, fault::read_only, fault::broken);
    CAPTURE(what, has_links, wrong);
    for (std::uint64_t n = 0, failures = 1; failures > 0; ++n) {
        CAPTURE(n);
        simulated_disk machine;
        machine.has_links(has_links);
        machine.create_folder("/var");
        run self{what, machine};
        self.open();
        machine.fail(wrong, n);
        failures = 0;
        for (const auto& one : history()) {
            try {
                self.take(one);
            } catch (const error& e) {
                ++failures;
                CHECK(e.code() == errc::store_failed);
                machine.fail(fault::none);
                self.check_values();
                self.take(one);
            }
        }
        CHECK(failures <= 1);
        self.check_durable();
        self.check_tidy();
    }
}

TEST_CASE("a disk with room for less than a value is an error, and the value before stays") {
    const auto what = GENERATE(kind::folder, kind::one_file);
    simulated_disk machine;
    machine.create_folder("/var");
    run self{what, machine};
    self.open();
    self.take({"hosts", padded(1, 5000)});
    machine.room(5000);
    CHECK_THROWS_AS(self.take({"hosts", padded(2, 6000)}), error);
    self.check_values();
    self.check_tidy();
    machine.room(std::nullopt);
    self.check_durable();
    CHECK(self.wait(self.kept->load("hosts")) == padded(1, 5000));
    self.take_all();
    self.check_durable();
}

TEST_CASE("a store that was there opens on a full or read-only disk, reads, and saves again when it can") {
    const auto what = GENERATE(kind::folder, kind::one_file);
    const auto wrong = GENERATE(fault::full, fault::read_only);
    CAPTURE(what, wrong);
    simulated_disk machine;
    machine.create_folder("/var");
    run self{what, machine};
    self.open();
    self.take({"hosts", padded(1, 100)});
    machine.fail(wrong);
    self.open();
    CHECK(self.wait(self.kept->load("hosts")) == padded(1, 100));
    CHECK_THROWS_AS(self.take({"hosts", padded(2, 100)}), error);
    machine.fail(fault::none);
    self.take({"hosts", padded(3, 100)});
    self.check_durable();
}
