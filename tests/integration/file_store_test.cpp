#include <csignal>
#include <cstdlib>
#include <filesystem>
#include <map>
#include <random>
#include <set>
#include <sstream>
#include <thread>

#include <boost/json/array.hpp>
#include <boost/json/parse.hpp>
#include <boost/json/serialize.hpp>

#include <evercert/certificate.hpp>
#include <evercert/file_store.hpp>

#include "base/within.hpp"
#include "catch.hpp"
#include "certificates.hpp"
#include "process.hpp"
#include "run.hpp"

using namespace evercert;
using namespace std::chrono_literals;
namespace json = boost::json;

namespace {

constexpr int hammers = 4, kills_max = 150;
constexpr auto time_max = 5s;

/// Few keys, so that processes meet, and three certificates for each.
json::object certificates() {
    test::authority ca;
    json::object all;
    for (const std::string name : {"a.test", "*.b.test"}) {
        json::array choice;
        for (int i = 0; i < 3; ++i) {
            const auto issued = ca.issue({*identifier::parse(name)});
            choice.push_back(
                json::object{{"names", {name}}, {"chain", issued->chain_pem()}, {"key", issued->key().to_pem()}});
        }
        all["certificates/" + name] = std::move(choice);
    }
    return all;
}

/// Processes that count, and are killed in the middle of it.
class killed_processes {
public:
    explicit killed_processes(const json::object& counted) {
        test::write_file(folder_ / "certificates.json", json::serialize(counted));
        for (auto& one : running_)
            one = start();
    }

    std::string store_folder() const { return folder_ / "store"; }
    int kills() const { return kills_; }
    void kill_one() {
        auto& one = running_[random_() % running_.size()];
        CHECK(kill(one) == 128 + SIGKILL);
        one = start();
    }
    void kill_all() {
        for (auto& one : running_)
            CHECK(kill(one) == 128 + SIGKILL);
    }
    /// What all of them logged: the tokens by count, for each key.
    std::map<std::string, std::map<int, std::uint64_t>> logged() const {
        std::map<std::string, std::map<int, std::uint64_t>> all;
        std::istringstream lines{test::read_file(folder_ / "log")};
        std::string key;
        int count = 0;
        std::uint64_t token = 0;
        while (lines >> key >> count >> token) {
            INFO(key << " " << count);
            CHECK(all[key].emplace(count, token).second);  // else an increment was lost
        }
        return all;
    }

private:
    test::process start() {
        const auto* program = std::getenv("EVERCERT_FILE_STORE_HAMMER");
        REQUIRE(program);
        return test::process{
            {program, store_folder(), folder_ / "certificates.json", folder_ / "log", std::to_string(random_())},
            {},
            folder_ / "errors"};
    }
    int kill(test::process& one) {
        ++kills_;
        one.signal(SIGKILL);
        const auto status = one.wait(5s);
        UNSCOPED_INFO(one.log());
        return status;
    }

    test::temporary_folder folder_;
    std::mt19937 random_{4711};
    std::vector<test::process> running_{hammers};
    int kills_ = 0;
};

/// A chain that matches its key, or nothing yet.
json::object check_whole(asio::io_context& io, store& from, const std::string& key) {
    const auto text = test::run_io(io, from.load(key));
    if (!text)
        return {};
    auto value = json::parse(*text).as_object();
    const std::string chain{value.at("chain").as_string()}, private_pem{value.at("key").as_string()};
    CHECK_NOTHROW(certificate{chain, private_key::from_pem(private_pem)});
    return value;
}

}  // namespace

TEST_CASE(
    "processes that share a folder and are killed at any moment leave it whole, unlocked and without a lost count") {
    const auto counted = certificates();
    killed_processes processes{counted};
    asio::io_context io;
    file_store_options options;
    options.lock_poll = 1ms;
    while (!std::filesystem::exists(processes.store_folder()))
        test::run_io(io, system_clock()->sleep_for(1ms));
    auto store = file_store(processes.store_folder(), options);

    std::mt19937 random{42};
    const auto end = std::chrono::steady_clock::now() + time_max;
    while (processes.kills() < kills_max && std::chrono::steady_clock::now() < end) {
        test::run_io(io, system_clock()->sleep_for(std::chrono::milliseconds{random() % 50}));
        processes.kill_one();
        for (const auto& [key, choice] : counted)
            check_whole(io, *store, std::string{key});
    }
    processes.kill_all();

    const auto logged = processes.logged();
    int unlogged = 0;
    for (const auto& [name, choice] : counted) {
        const std::string key{name};
        const auto value = check_whole(io, *store, key);
        REQUIRE(!value.empty());
        const auto& counts = logged.at(key);
        const auto count = value.at("count").to_number<int>();
        CHECK(count > 0);
        CHECK(counts.rbegin()->first <= count);
        unlogged += count - static_cast<int>(counts.size());
        std::uint64_t last = 0;
        for (const auto& [number, token] : counts)
            CHECK(std::exchange(last, token) < token);

        const auto held = test::run_io(io, within(*system_clock(), 1s, "locking", store->lock(key, 10s)));
        CHECK(held.token > value.at("token").to_number<std::uint64_t>());
        test::run_io(io, store->unlock(held));
    }
    CHECK(unlogged <= processes.kills());  // killed between the save and the line in the log
    CHECK(test::run_io(io, store->load("hosts")));

    file_store(processes.store_folder());
    std::set<std::string> left;
    for (const auto* folder : {"locks", "writing"})
        for (const auto& file : std::filesystem::directory_iterator{processes.store_folder() + "/" + folder})
            left.insert(file.path().filename().string());
    CHECK(left == std::set<std::string>{".tokens"});
}
