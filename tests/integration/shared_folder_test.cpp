#include <csignal>
#include <cstdlib>
#include <filesystem>
#include <map>
#include <random>
#include <set>
#include <sstream>

#include <boost/json/parse.hpp>

#include <evercert/file_store.hpp>
#include <evercert/testing/acme_server.hpp>

#include "base/within.hpp"
#include "catch.hpp"
#include "crypto/jws.hpp"
#include "manager/records.hpp"
#include "process.hpp"
#include "run.hpp"
#include "server/http_server.hpp"

using namespace evercert;
using namespace std::chrono_literals;

namespace {

constexpr int kills_max = 40;
constexpr auto killing_max = 6s, finishing_max = 10s;
/// The CA's time between finalize and the certificate: what a kill hits most.
constexpr auto issuance_delay = 100ms;
constexpr auto challenge_path = std::string_view{"/.well-known/acme-challenge/"};

std::vector<std::string> names() {
    std::vector<std::string> all;
    for (int i = 0; i < 40; ++i)
        all.push_back("n" + std::to_string(i) + ".test");
    return all;
}

/// Port 80 of everybody: http-01 needs no more than the account's key, which is in the folder.
class port_80 {
public:
    port_80(asio::io_context& io, std::shared_ptr<store> folder, std::string key)
        : io_{io}, server_{io.get_executor(), io.get_executor(), {}, system_clock(), logger{}} {
        auto listener = system_network()->listen(io.get_executor(), {asio::ip::address_v4::loopback(), 0});
        number = listener->local_endpoint().port;
        server_.add(
            std::move(listener), [folder, key](request asked) { return answer(folder, key, std::move(asked)); });
        serving_.emplace(io.get_executor(), server_.run());
    }
    ~port_80() {
        server_.stop(0s);
        test::run_io(io_, serving_->join());
    }
    std::uint16_t number = 0;

private:
    static asio::awaitable<response> answer(std::shared_ptr<store> folder, std::string key, request asked) {
        const auto stored = co_await folder->load(std::move(key));
        const auto account = read_account(boost::json::parse(stored.value()).as_object());
        const std::string token{std::string_view{asked.path()}.substr(challenge_path.size())};
        co_return response{token + "." + jwk_thumbprint(account.key)};
    }

    asio::io_context& io_;
    http_server server_;
    std::optional<test::started<void>> serving_;
};

/// Two processes with a manager each, which are killed and started again.
class killed_managers {
public:
    killed_managers(const testing::acme_server& ca, const test::temporary_folder& at) : ca_{ca}, at_{at} {
        for (int i = 0; i < 2; ++i)
            running_.push_back(start());
    }
    void kill_one() {
        auto& one = running_[random_() % running_.size()];
        kill(one);
        one = start();
    }
    void kill_both() {
        kill_all();
        for (auto& one : running_)
            one = start();
    }
    int kills() const { return kills_; }
    void check_running() {
        for (auto& one : running_) {
            INFO(one.log());
            REQUIRE(one.is_running());
        }
    }
    /// What those who have all of them serve: serial numbers by name, of each process.
    std::vector<std::map<std::string, std::string>> served() const {
        std::vector<std::map<std::string, std::string>> all;
        for (const auto& file : logs_) {
            std::istringstream lines{std::filesystem::exists(file) ? test::read_file(file) : std::string{}};
            std::map<std::string, std::string> one;
            std::string name, serial;
            while (lines >> name && name != "all" && lines >> serial)
                one[name] = serial;
            if (name == "all")
                all.push_back(std::move(one));
        }
        return all;
    }
    void kill_all() {
        for (auto& one : running_)
            kill(one);
    }
    /// How often one process found the certificate that another one had finalized.
    int picked_up() const {
        std::istringstream lines{test::read_file(at_ / "errors")};
        int count = 0;
        for (std::string line; std::getline(lines, line);)
            count += line.find("was finalized before") != line.npos;
        return count;
    }

private:
    void kill(test::process& one) {
        ++kills_;
        one.signal(SIGKILL);
        const auto status = one.wait(5s);
        INFO(one.log());
        CHECK(status == 128 + SIGKILL);  // or it had given up before
    }
    test::process start() {
        const auto* program = std::getenv("EVERCERT_MANAGER_HAMMER");
        REQUIRE(program);
        logs_.push_back(at_ / ("log-" + std::to_string(logs_.size())));
        std::vector<std::string> arguments{
            program, at_ / "store", ca_.directory_url(), ca_.api_root_file(), logs_.back(), std::to_string(random_())};
        for (auto& name : names())
            arguments.push_back(std::move(name));
        return test::process{arguments, {}, at_ / "errors"};
    }

    const testing::acme_server& ca_;
    const test::temporary_folder& at_;
    std::mt19937 random_{4711};
    std::vector<std::string> logs_;
    std::vector<test::process> running_;
    int kills_ = 0;
};

/// The serial number of a certificate that is there, whole.
std::string serial_in(asio::io_context& io, store& folder, const std::string& key) {
    const auto text = test::run_io(io, folder.load(key));
    REQUIRE(text);
    return read_certificate(boost::json::parse(*text).as_object()).certificate->get()->serial();
}

/// Kill until one process has everything or the time is up; then let both come to an end.
void kill_and_finish(asio::io_context& io, const testing::acme_server& ca, killed_managers& managers) {
    std::mt19937 random{42};
    const auto now = [] { return std::chrono::steady_clock::now(); };
    const auto time = system_clock();
    const auto pause = [&](std::chrono::milliseconds length) { test::run_io(io, time->sleep_for(length)); };
    const auto last_kill = now() + killing_max;
    const auto goes_on = [&] { return managers.kills() < kills_max && managers.served().empty() && now() < last_kill; };
    while (goes_on()) {
        pause(std::chrono::milliseconds{random() % 200});
        managers.kill_one();
        // A machine may be too slow for any moment to be this one: the CA has issued, and nobody here has it.
        const auto finalized = ca.count("finalize");
        while (goes_on() && ca.count("finalize") == finalized)
            pause(1ms);
        managers.kill_both();
    }
    const auto end = now() + finishing_max;
    while (managers.served().size() < 2 && now() < end) {
        managers.check_running();
        pause(10ms);
    }
}

void check_readable(asio::io_context& io, store& folder) {
    const auto keys = test::run_io(io, folder.list(""));
    CHECK(keys.size() > names().size());
    for (const auto& key : keys) {
        INFO(key);
        const auto text = test::run_io(io, folder.load(key));
        REQUIRE(text);
        CHECK_NOTHROW(boost::json::parse(*text).as_object());
    }
}

/// Locks and half-written files that a start, which cleans up, leaves.
std::set<std::string> files_left(const std::string& folder) {
    file_store(folder);
    std::set<std::string> left;
    for (const auto* inside : {"/locks", "/writing"})
        for (const auto& file : std::filesystem::directory_iterator{folder + inside})
            left.insert(file.path().filename().string());
    return left;
}

void check_unlocked(asio::io_context& io, store& folder, const std::string& key) {
    const auto time = system_clock();
    const auto held = test::run_io(io, within(*time, 5s, "locking " + key, folder.lock(key, 10s)));
    test::run_io(io, folder.unlock(held));
}

}  // namespace

TEST_CASE(
    "managers that share a folder and are killed at any moment get one account and one certificate for each name") {
    const test::temporary_folder at;
    asio::io_context io;
    testing::acme_server_options ca_options;
    ca_options.challenges = {"http-01"};
    ca_options.issuance_delay = issuance_delay;
    testing::acme_server ca{io.get_executor(), ca_options};
    const auto account = account_key(ca.directory_url());
    auto folder = file_store(at / "store");
    const port_80 web{io, folder, account};
    ca.validation_ports(web.number, 1);
    killed_managers managers{ca, at};
    kill_and_finish(io, ca, managers);
    const auto kills = managers.kills();
    managers.kill_all();

    INFO(kills << " kills, " << ca.count("newOrder") << " orders, " << managers.picked_up() << " picked up");
    CHECK(kills > 0);
    CHECK(managers.picked_up() > 0);
    // Each name has one, so no name has two.
    CHECK(ca.certificates_issued() == static_cast<int>(names().size()));
    const auto served = managers.served();
    CHECK(served.size() >= 2);
    for (const auto& name : names()) {
        INFO(name);
        const auto serial = serial_in(io, *folder, "certificates/" + name);
        for (const auto& one : served)
            CHECK(one.at(name) == serial);
        check_unlocked(io, *folder, "certificates/" + name);
    }
    check_readable(io, *folder);
    check_unlocked(io, *folder, account);
    const auto text = test::run_io(io, folder->load(account));
    const auto kept = read_account(boost::json::parse(text.value()).as_object());
    CHECK_THAT(kept.url, Catch::Matchers::EndsWith("/account/1"));
    CHECK(files_left(at / "store") == std::set<std::string>{".tokens"});
}
