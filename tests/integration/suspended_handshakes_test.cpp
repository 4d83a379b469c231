#include <algorithm>
#include <cstdlib>
#include <fstream>
#include <iostream>
#include <sstream>
#include <string>
#include <sys/resource.h>
#include <unistd.h>

#include <asio/ip/tcp.hpp>
#include <asio/read.hpp>
#include <asio/write.hpp>
#include <malloc.h>

#include <evercert/evercert.hpp>
#include <evercert/testing/acme_server.hpp>
#include <evercert/tls_acceptor.hpp>

#include "catch.hpp"
#include "certificates.hpp"
#include "process.hpp"
#include "run.hpp"
#include "sanitized.hpp"

using namespace evercert;
using namespace std::chrono_literals;

namespace {

constexpr int crowd = 5'000;
constexpr std::chrono::milliseconds wait_min = 8s, wait_max = 90s;

std::size_t resident_bytes() {
    std::ifstream statm{"/proc/self/statm"};
    std::size_t all = 0, resident = 0;
    statm >> all >> resident;
    return resident * static_cast<std::size_t>(::sysconf(_SC_PAGESIZE));
}

/// False, and says so, if the system does not let us have them.
bool has_descriptors(rlim_t wanted) {
    rlimit limit{};
    ::getrlimit(RLIMIT_NOFILE, &limit);
    limit.rlim_cur = std::min(limit.rlim_max, std::max(limit.rlim_cur, wanted));
    ::setrlimit(RLIMIT_NOFILE, &limit);
    if (limit.rlim_cur < wanted)
        WARN("not run: this process may have " << limit.rlim_cur << " descriptors");
    return limit.rlim_cur >= wanted;
}

asio::awaitable<void> echo(tls_stream connection) {
    std::array<char, 5> said;
    std::error_code failed;
    co_await asio::async_read(connection, asio::buffer(said), asio::redirect_error(asio::use_awaitable, failed));
    if (!failed)
        co_await asio::async_write(connection, asio::buffer(said), asio::redirect_error(asio::use_awaitable, failed));
}

asio::awaitable<void> accept_all(tls_acceptor& on) {
    try {
        for (;;) {
            tls_stream connection = co_await on.accept();
            const auto executor = connection.get_executor();
            asio::co_spawn(executor, echo(std::move(connection)), evercert::rethrow);
        }
    } catch (const error&) {
    }
}

/// A CA that takes connections, and says nothing.
class silent_ca {
public:
    explicit silent_ca(asio::io_context& io) : acceptor_{io, {asio::ip::address_v4::loopback(), 0}} { accept(); }
    std::string directory_url() const {
        return "https://127.0.0.1:" + std::to_string(acceptor_.local_endpoint().port()) + "/directory";
    }
    std::size_t connections() const { return open_.size(); }

private:
    void accept() {
        acceptor_.async_accept([this](std::error_code failed, asio::ip::tcp::socket socket) {
            if (failed)
                return;
            open_.push_back(std::move(socket));
            accept();
        });
    }
    asio::ip::tcp::acceptor acceptor_;
    std::vector<asio::ip::tcp::socket> open_;
};

/// A manager behind a TLS acceptor. It has a certificate of its own for here.test; for all else it needs its CA.
class site {
public:
    site(asio::io_context& io, manager_options options, std::chrono::milliseconds wait)
        : handshake_wait{wait}, io_{io} {
        options.handshake_wait = handshake_wait;
        options.waiters_per_name_max = crowd;
        manager.emplace(io_, std::move(options));
        const auto own = authority_.issue({"here.test"}, {now() - 1h, now() + std::chrono::days{30}});
        manager->add_certificate(own->chain_pem(), own->key().to_pem());
        test::write_file(folder_ / "root.pem", authority_.root_pem());
        trusting_.emplace(folder_ / "root.pem", system_clock());
        // All of them come from one address, and none of it waits for the other limits.
        tls_acceptor_options accepting;
        accepting.handshakes.per_address_max = 0;
        accepting.connections.connections_per_address_max = 0;
        acceptor.emplace(io_, *manager, std::move(accepting));
        at = acceptor->listen({asio::ip::address_v4::loopback(), 0});
        accepting_.emplace(io_.get_executor(), accept_all(*acceptor));
    }
    ~site() {
        manager->stop();
        test::run_io(io_, acceptor->close());
        test::run_io(io_, accepting_->join());
    }

    static wall_time now() { return system_clock()->wall(); }

    test::process start_clients(const std::string& name, bool each) {
        const char* const program = std::getenv("EVERCERT_SUSPENDED_CLIENTS");
        if (!program)
            throw std::runtime_error{"EVERCERT_SUSPENDED_CLIENTS must name the program"};
        std::vector<std::string> command{program, std::to_string(at.port), std::to_string(crowd), name};
        if (each)
            command.emplace_back("each");
        return {command, {}, folder_ / "clients"};
    }
    template <typename Condition>
    void until(const char* what, Condition holds) {
        const auto last = std::chrono::steady_clock::now() + 3 * handshake_wait;
        while (!holds()) {
            io_.restart();
            io_.run_for(5ms);
            if (std::chrono::steady_clock::now() > last)
                throw std::runtime_error{std::string{"waited in vain until "} + what};
        }
    }

    /// How long it takes to connect, shake hands and have an answer: the median of some.
    std::chrono::microseconds served_in() {
        std::vector<std::chrono::microseconds> all;
        for (int i = 0; i < 51; ++i) {
            const auto begin = std::chrono::steady_clock::now();
            test::run_io(io_, visit());
            all.push_back(
                std::chrono::duration_cast<std::chrono::microseconds>(std::chrono::steady_clock::now() - begin));
        }
        std::ranges::sort(all);
        return all[all.size() / 2];
    }

    const std::chrono::milliseconds handshake_wait;
    endpoint at;
    std::optional<evercert::manager> manager;
    std::optional<tls_acceptor> acceptor;

private:
    asio::awaitable<void> visit() {
        const auto network = system_network();
        auto below = co_await network->connect(at);
        const std::vector<std::string> none;
        tls_stream client{std::move(below), *trusting_, "here.test", none};
        co_await client.handshake();
        std::string said = "hello";
        co_await asio::async_write(client, asio::buffer(said), asio::use_awaitable);
        co_await asio::async_read(client, asio::buffer(said), asio::use_awaitable);
    }

    asio::io_context& io_;
    test::temporary_folder folder_;
    test::authority authority_{now() - 24h};
    std::optional<tls_client_context> trusting_;
    std::optional<test::started<void>> accepting_;
};

/// What the clients had for an answer, as their program says it.
struct answered {
    std::string kind;
    int count = 0;
    std::chrono::milliseconds first{}, last{};
};
std::vector<answered> read_answers(const std::string& log) {
    std::vector<answered> all;
    std::istringstream lines{log};
    for (std::string line; std::getline(lines, line);) {
        const auto colon = line.find(": ");
        if (colon == line.npos)
            continue;
        answered one;
        one.kind = line.substr(0, colon);
        long first = 0, last = 0;
        if (std::sscanf(line.c_str() + colon, ": %d, %ld to %ld ms", &one.count, &first, &last) != 3)
            throw std::runtime_error{"the clients say: " + log};
        one.first = std::chrono::milliseconds{first};
        one.last = std::chrono::milliseconds{last};
        all.push_back(std::move(one));
    }
    return all;
}

/// All of them have the same.
answered sole_answer(const std::string& log) {
    const auto answers = read_answers(log);
    REQUIRE(answers.size() == 1);
    return answers.front();
}

/// Long enough for all of them to have come before the first is sent away, however busy the machine is.
std::chrono::milliseconds fair_wait() {
    asio::io_context io;
    site quick{io, manager_options{}, wait_min};
    const auto all_of_them = std::chrono::duration_cast<std::chrono::milliseconds>(crowd * quick.served_in());
    return std::clamp(all_of_them, wait_min, wait_max);
}

/// Of resident memory, for each of the crowd.
struct memory_bounds {
    std::size_t waiting;
    std::size_t gone;
};

/// The crowd comes, waits and is sent away; meanwhile a name that is there is served as before.
void suspend_crowd(site& here, const std::string& name, bool each, memory_bounds bytes_max) {
    const auto served_before = here.served_in();
    ::malloc_trim(0);
    const auto memory_before = resident_bytes();
    auto clients = here.start_clients(name, each);
    here.until("all of them wait", [&] { return here.acceptor->handshakes() == crowd; });
    // What they hold, and not what they held while they came.
    ::malloc_trim(0);
    const auto memory_while = resident_bytes();
    const auto served_while = here.served_in();
    CHECK(here.acceptor->handshakes() == crowd);
    here.until("all of them have their answer", [&] { return !clients.is_running(); });

    INFO(clients.log());
    const auto answer = sole_answer(clients.log());
    CHECK(answer.kind == "alert 80");  // internal_error
    CHECK(answer.count == crowd);
    CHECK(answer.first >= here.handshake_wait - 100ms);
    CHECK(answer.last <= 2 * here.handshake_wait);
    CHECK(here.acceptor->handshakes() == 0);
    here.until("all connections are closed", [&] { return here.acceptor->connections() == 0; });

    ::malloc_trim(0);
    const auto memory_after = resident_bytes();
    const memory_bounds bytes{(memory_while - memory_before) / crowd, (memory_after - memory_before) / crowd};
    std::cout << crowd << " handshakes suspended on " << (each ? "as many names" : "one name") << ": " << bytes.waiting
              << " bytes of resident memory each, " << bytes.gone << " after them; alerts after "
              << answer.first.count() << " to " << answer.last.count() << " ms; another name served in "
              << served_before.count() << " us before and " << served_while.count() << " us meanwhile\n";
    // Those that wait take no time; a machine that does something else does.
    CHECK(served_while < 3 * served_before + 50ms);
    if (!test::sanitized) {
        CHECK(bytes.waiting <= bytes_max.waiting);
        CHECK(bytes.gone <= bytes_max.gone);
    }
}

}  // namespace

TEST_CASE("5,000 handshakes wait for one name that never comes: one order, bounded memory, alerts in time") {
    if (!has_descriptors(crowd + 200))
        return;
    testing::acme_server_options ca_options;
    ca_options.validation_delay = 1h;
    asio::io_context io;
    testing::acme_server ca{io.get_executor(), std::move(ca_options)};
    manager_options options;
    options.directory_url = ca.directory_url();
    options.http.ca_file = ca.api_root_file();
    site here{io, std::move(options), fair_wait()};
    ca.validation_ports(1, here.at.port);
    here.manager->set_hosts({"never.test"});
    // 40 kB are OpenSSL's: 22 for messages, 8 for what it will send at once, and its state. The rest is ours: the coroutines and
    // timers that wait. What is left then is what lies between things that stay. The bounds have room for a heap that other
    // tests have used before.
    suspend_crowd(here, "never.test", false, {80'000, 16'000});
    CHECK(ca.count("newOrder") == 1);
    CHECK(ca.count("finalize") == 0);
}

TEST_CASE("5,000 handshakes wait for as many names of a CA that does not answer: it is asked once, memory is bounded") {
    if (!has_descriptors(crowd + 200))
        return;
    asio::io_context io;
    silent_ca ca{io};
    manager_options options;
    options.directory_url = ca.directory_url();
    const auto wait = fair_wait();
    options.http.handshake_timeout = 2 * wait;
    // The worst case: no limit of ours sends any of them away at once.
    options.orders = {};
    options.new_hosts = {};
    options.order_ceiling = {};
    site here{io, std::move(options), wait};
    here.manager->allow_any_host();
    // The same, and a flight for each name, which goes on when its clients have left (`waiters_max` of them at most).
    suspend_crowd(here, "never.test", true, {96'000, 40'000});
    CHECK(ca.connections() == 1);
}

TEST_CASE("5,000 names that nobody admits are refused at once, and the CA hears of none") {
    if (!has_descriptors(crowd + 200))
        return;
    asio::io_context io;
    silent_ca ca{io};
    manager_options options;
    options.directory_url = ca.directory_url();
    site here{io, std::move(options), wait_min};
    here.manager->set_hosts({"other.test"});
    auto clients = here.start_clients("never.test", true);
    here.until("all of them have their answer", [&] { return !clients.is_running(); });
    INFO(clients.log());
    const auto answer = sole_answer(clients.log());
    CHECK(answer.kind == "alert 112");  // unrecognized_name
    CHECK(answer.count == crowd);
    // The first of a crowd says how long a refusal takes, the last how fast the machine is; and a wait ends with another alert.
    CHECK(answer.first < here.handshake_wait / 2);
    CHECK(ca.connections() == 0);
}
