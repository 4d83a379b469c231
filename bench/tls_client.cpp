// Makes TLS handshakes, several at a time, on one core. What is measured is the server: a driver reads its CPU before
// and after. Says how many seconds it took; fails at the first thing that is not as it should be.
//
//     tls_client PORT ROOT.pem handshakes --count N            full handshakes
//     tls_client PORT ROOT.pem handshakes --count N --resume   each resumes the session of the first
//     tls_client PORT ROOT.pem handshakes --count N --request  and one request on each
//     tls_client PORT ROOT.pem handshakes --count N --names M  each for one of M names, at random
//     tls_client PORT ROOT.pem handshakes --count N --each     for N names, one after the other
//     tls_client PORT ROOT.pem hold --count N                  one request each, then says so and holds them until its input ends
//     tls_client PORT ROOT.pem bulk --count N --path P         N requests on one connection

#include <array>
#include <cstdlib>
#include <exception>
#include <iostream>
#include <optional>
#include <random>

#include <CLI/CLI.hpp>

#include "tls_load.hpp"

namespace {

using namespace bench;

struct settings {
    std::uint16_t port = 0;
    std::string root;
    std::string version = "1.3";
    std::size_t count = 1;
    std::size_t parallel = 8;
    std::size_t names = 1;
    unsigned seed = 1;
    std::string path = "/";
    bool resume = false;
    bool request = false;
    bool each = false;
};

using session_ptr = std::unique_ptr<SSL_SESSION, freed_by<SSL_SESSION_free>>;

/// Where OpenSSL leaves the last session that a server offered.
session_ptr& offered_session() {
    static session_ptr last;
    return last;
}

int keep_session(SSL*, SSL_SESSION* offered) {
    offered_session().reset(offered);
    return 1;
}

/// One that is waited for.
class lone_connection {
public:
    lone_connection(const client_context& context, const settings& s, const std::string& name)
        : connection_{context, s.port, name} {
        until([&] { return connection_.handshake(); });
        context.verify(connection_.tls(), name);
    }

    void ask(const std::string& path) {
        connection_.send(request_for(connection_.name(), path));
        std::array<char, 32 << 10> buffer;
        response_reader reader;
        for (bool whole = false; !whole;) {
            std::size_t size = 0;
            const auto how = connection_.receive(buffer, size);
            if (how == progress::ended)
                throw unexpected{"the server closed the connection"};
            if (how == progress::blocked)
                connection_.wait();
            else
                whole = reader.take({buffer.data(), size});
        }
    }

    void end() {
        connection_.end();
        until([&] { return connection_.wait_for_end() == progress::ended ? progress::done : progress::blocked; });
    }

    /// Keeps the socket alone.
    void drop_tls() { connection_.drop_tls(); }
    bool ended() { return connection_.wait_for_end() == progress::ended; }

private:
    template <typename Step>
    void until(Step step) {
        while (step() != progress::done)
            connection_.wait();
    }

    connection connection_;
};

/// Of one connection among several: handshake, perhaps a request, end.
class exchange {
public:
    exchange(const client_context& context, const settings& s, const std::string& name, SSL_SESSION* session)
        : connection_{context, s.port, name, session}, settings_{s} {}

    const connection& over() const { return connection_; }

    /// True once it is over.
    bool advance() {
        if (now_ == phase::handshake) {
            if (connection_.handshake() == progress::blocked)
                return false;
            if (settings_.resume != (SSL_session_reused(connection_.tls()) == 1))
                throw unexpected{settings_.resume ? "a session was not resumed" : "a session was resumed"};
            if (settings_.request)
                connection_.send(request_for(connection_.name(), settings_.path));
            else
                connection_.end();
            now_ = settings_.request ? phase::response : phase::ending;
        }
        if (now_ == phase::response && !receive())
            return false;
        return connection_.wait_for_end() == progress::ended;
    }

private:
    enum class phase { handshake, response, ending };

    bool receive() {
        std::array<char, 16 << 10> buffer;
        std::size_t size = 0;
        for (progress how; (how = connection_.receive(buffer, size)) != progress::blocked;) {
            if (how == progress::ended)
                throw unexpected{"the server closed the connection"};
            if (!reader_.take({buffer.data(), size}))
                continue;
            connection_.end();
            now_ = phase::ending;
            return true;
        }
        return false;
    }

    connection connection_;
    const settings& settings_;
    response_reader reader_;
    phase now_ = phase::handshake;
};

class handshakes {
public:
    handshakes(const client_context& context, const settings& s)
        : context_{context}, settings_{s}, random_{s.seed}, slots_(std::min(s.parallel, s.count)) {
        if (s.resume)
            get_session();
    }

    void run() {
        for (std::size_t slot = 0; slot < slots_.size(); ++slot)
            begin(slot);
        while (ended_ < settings_.count) {
            const auto ready = poller_.wait(patience);
            if (ready.empty())
                throw unexpected{"the server does not answer"};
            for (const auto slot : ready)
                if (slots_[slot]->advance())
                    next(slot);
        }
    }

private:
    void get_session() {
        SSL_CTX_set_session_cache_mode(context_.get(), SSL_SESS_CACHE_CLIENT | SSL_SESS_CACHE_NO_INTERNAL_STORE);
        SSL_CTX_sess_set_new_cb(context_.get(), keep_session);
        lone_connection first{context_, settings_, name_of(0)};
        // TLS 1.3 sends it after the handshake, in front of the answer.
        first.ask(settings_.path);
        first.end();
        // Or OpenSSL would take care that a session of TLS 1.3 is used once.
        SSL_CTX_set_session_cache_mode(context_.get(), SSL_SESS_CACHE_OFF);
        SSL_CTX_sess_set_new_cb(context_.get(), nullptr);
        session_ = std::move(offered_session());
        if (!session_)
            throw unexpected{"the server offered no session"};
    }

    void begin(std::size_t slot) {
        auto number = std::uniform_int_distribution<std::size_t>{0, settings_.names - 1}(random_);
        if (settings_.each)
            number = begun_;
        ++begun_;
        slots_[slot].emplace(context_, settings_, name_of(number), session_.get());
        poller_.add(slots_[slot]->over().descriptor(), slot);
        slots_[slot]->advance();
    }

    void next(std::size_t slot) {
        ++ended_;
        slots_[slot].reset();
        if (begun_ < settings_.count)
            begin(slot);
    }

    const client_context& context_;
    const settings& settings_;
    std::mt19937_64 random_;
    session_ptr session_;
    poller poller_;
    std::vector<std::optional<exchange>> slots_;
    std::size_t begun_ = 0;
    std::size_t ended_ = 0;
};

void hold(const client_context& context, const settings& s) {
    std::vector<std::unique_ptr<lone_connection>> held;
    for (std::size_t i = 0; i < s.count; ++i) {
        auto& one = *held.emplace_back(std::make_unique<lone_connection>(context, s, name_of(0)));
        one.ask(s.path);
        one.drop_tls();
    }
    for (const auto& one : held)
        if (one->ended())
            throw unexpected{"the server closed a connection before all were there"};
    std::cout << "holding" << std::endl;
    std::string ignored;
    while (std::getline(std::cin, ignored)) {
    }
}

void bulk(const client_context& context, const settings& s) {
    lone_connection to{context, s, name_of(0)};
    for (std::size_t i = 0; i < s.count; ++i)
        to.ask(s.path);
    to.end();
}

}  // namespace

int main(int argc, char** argv) try {
    CLI::App app{"Makes TLS connections to a server that is measured."};
    settings s;
    app.add_option("port", s.port)->required();
    app.add_option("root", s.root)->required();
    app.add_option("--tls", s.version)->check(CLI::IsMember({"1.2", "1.3"}));
    app.add_option("--count", s.count)->check(CLI::PositiveNumber);
    app.add_option("--path", s.path);
    app.add_option("--parallel", s.parallel)->check(CLI::PositiveNumber);
    app.add_option("--names", s.names)->check(CLI::PositiveNumber);
    app.add_option("--seed", s.seed);
    app.add_flag("--resume", s.resume);
    app.add_flag("--request", s.request);
    app.add_flag("--each", s.each);
    app.fallthrough();
    app.require_subcommand(1);
    const auto* many = app.add_subcommand("handshakes", "");
    const auto* held = app.add_subcommand("hold", "");
    app.add_subcommand("bulk", "");
    CLI11_PARSE(app, argc, argv);

    raise_descriptor_limit();
    const client_context context{s.version == "1.2" ? TLS1_2_VERSION : TLS1_3_VERSION, s.root};
    const auto begun = steady::now();
    if (many->parsed())
        handshakes{context, s}.run();
    else if (held->parsed())
        hold(context, s);
    else
        bulk(context, s);
    std::cout << std::chrono::duration<double>(steady::now() - begun).count() << std::endl;
    return EXIT_SUCCESS;
} catch (const std::exception& e) {
    std::cerr << "tls_client: " << e.what() << '\n';
    return EXIT_FAILURE;
}
