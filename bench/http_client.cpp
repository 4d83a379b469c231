// Clients of an HTTPS server that is measured, on one core.
//
//     http_client PORT ROOT.pem latency --rate R --seconds S --connections C --path P
//         Requests at a constant rate, whatever the server does: each has its moment, and its latency counts from then,
//         also if no connection was free to send it. Prints requests, and p50, p99 and p99.9 in milliseconds.
//
//     http_client PORT ROOT.pem slow --count N --path P
//         N clients that hold a connection each: in turn a byte of a head now and then, a byte of a body, and a file
//         that is not read. Who is closed comes again. Says when all are there, and stays until its input ends; then
//         prints how often one was closed.

#include <algorithm>
#include <array>
#include <cstdlib>
#include <deque>
#include <exception>
#include <iostream>
#include <optional>
#include <poll.h>
#include <unistd.h>
#include <utility>

#include <CLI/CLI.hpp>

#include "tls_load.hpp"

namespace {

using namespace bench;
using namespace std::chrono_literals;

struct settings {
    std::uint16_t port = 0;
    std::string root;
    double rate = 1000;
    double seconds = 5;
    std::size_t connections = 32;
    std::size_t count = 10'000;
    std::string path = "/";
};

class constant_rate {
public:
    constant_rate(const client_context& context, const settings& s) : settings_{s} {
        for (std::size_t i = 0; i < s.connections; ++i) {
            auto& one = lanes_.emplace_back();
            one.over = std::make_unique<connection>(context, s.port, name_of(0));
            while (one.over->handshake() != progress::done)
                one.over->wait();
            poller_.add(one.over->descriptor(), i);
            idle_.push_back(i);
        }
    }

    void run() {
        const auto total = static_cast<std::size_t>(settings_.rate * settings_.seconds);
        const auto begun = steady::now();
        const auto due = [&](std::size_t number) {
            return begun +
                std::chrono::duration_cast<steady::duration>(
                       std::chrono::duration<double>(static_cast<double>(number) / settings_.rate));
        };
        std::size_t released = 0;
        while (took_.size() < total) {
            const auto now = steady::now();
            for (; released < total && due(released) <= now; ++released)
                waiting_.push_back(due(released));
            send_waiting();
            const auto pause = released < total ? due(released) - now : steady::duration{1s};
            for (const auto lane : poller_.wait(std::max(pause, steady::duration{0})))
                receive(lane);
            if (now - begun > std::chrono::duration<double>(settings_.seconds) + patience)
                throw unexpected{"the server does not keep up with the rate"};
        }
        print();
    }

private:
    struct lane {
        std::unique_ptr<connection> over;
        steady::time_point due;
        response_reader reader;
    };

    void send_waiting() {
        while (!waiting_.empty() && !idle_.empty()) {
            auto& lane = lanes_[idle_.back()];
            idle_.pop_back();
            lane.due = waiting_.front();
            waiting_.pop_front();
            lane.over->send(request_for(lane.over->name(), settings_.path));
        }
    }

    void receive(std::size_t number) {
        std::array<char, 16 << 10> buffer;
        auto& lane = lanes_[number];
        std::size_t size = 0;
        for (progress how; (how = lane.over->receive(buffer, size)) != progress::blocked;) {
            if (how == progress::ended)
                throw unexpected{"the server closed the connection"};
            if (!lane.reader.take({buffer.data(), size}))
                continue;
            took_.push_back(std::chrono::duration<double, std::milli>(steady::now() - lane.due).count());
            idle_.push_back(number);
            send_waiting();
        }
    }

    void print() {
        std::sort(took_.begin(), took_.end());
        std::cout << took_.size();
        for (const double share : {0.5, 0.99, 0.999})
            std::cout << ' ' << took_[static_cast<std::size_t>(share * static_cast<double>(took_.size() - 1))];
        std::cout << std::endl;
    }

    const settings& settings_;
    std::vector<lane> lanes_;
    std::vector<std::size_t> idle_;
    std::deque<steady::time_point> waiting_;
    std::vector<double> took_;
    poller poller_;
};

class slow_clients {
public:
    slow_clients(const client_context& context, const settings& s) : context_{context}, settings_{s}, slots_(s.count) {
        for (std::size_t i = 0; i < s.count; ++i)
            to_connect_.push_back(i);
    }

    void run() {
        for (;;) {
            while (!to_connect_.empty() && connecting_ < connecting_max)
                begin();
            trickle();
            // Copied: what is done below may wait itself.
            const auto ready = poller_.wait(50ms);
            for (const auto slot : ready)
                advance(slot);
            if (slow_ == slots_.size() && !told_) {
                std::cout << "holding" << std::endl;
                told_ = true;
            }
            if (input_ended())
                break;
        }
        std::cout << closed_ << std::endl;
    }

private:
    enum class kind { head, body, file };
    struct slot {
        std::unique_ptr<connection> over;
        bool is_slow = false;
        unsigned generation = 0;
    };

    // Between two bytes of one client.
    static constexpr std::chrono::seconds pause{5};
    // Handshakes at a time: what is measured is how the server copes with slow clients, not with a storm of new ones.
    static constexpr std::size_t connecting_max = 16;

    static bool input_ended() {
        pollfd input{STDIN_FILENO, POLLIN, 0};
        return ::poll(&input, 1, 0) > 0;
    }

    static kind kind_of(std::size_t slot) { return static_cast<kind>(slot % 3); }

    void begin() {
        const auto number = to_connect_.front();
        to_connect_.pop_front();
        auto& one = slots_[number];
        const int receive_buffer = kind_of(number) == kind::file ? 4096 : 0;
        one.over = std::make_unique<connection>(context_, settings_.port, name_of(0), nullptr, receive_buffer);
        poller_.add(one.over->descriptor(), number);
        ++connecting_;
        advance(number);
    }

    void advance(std::size_t number) {
        auto& one = slots_[number];
        if (!one.over)
            return;
        if (one.is_slow) {
            std::array<char, 4096> ignored;
            std::size_t size = 0;
            const auto how = kind_of(number) == kind::file ? progress::ended : one.over->receive(ignored, size);
            if (how == progress::ended)
                come_again(number);
            return;
        }
        try {
            if (one.over->handshake() == progress::blocked)
                return;
        } catch (const unexpected&) {
            --connecting_;
            come_again(number);
            return;
        }
        --connecting_;
        ++slow_;
        one.is_slow = true;
        start_request(number);
    }

    void start_request(std::size_t number) {
        auto& one = slots_[number];
        const auto& host = one.over->name();
        switch (kind_of(number)) {
        case kind::head: one.over->try_send("GET / HTTP/1.1\r\nHost: " + host + "\r\nSlow: "); break;
        case kind::body:
            one.over->try_send("POST / HTTP/1.1\r\nHost: " + host + "\r\nContent-Length: 1000\r\n\r\n");
            break;
        case kind::file:
            one.over->try_send(request_for(host, settings_.path));
            poller_.only_end(one.over->descriptor(), number);
            return;
        }
        next_bytes_.push_back({steady::now() + pause, number, one.generation});
    }

    void trickle() {
        const auto now = steady::now();
        while (!next_bytes_.empty() && next_bytes_.front().when <= now) {
            const auto next = next_bytes_.front();
            next_bytes_.pop_front();
            auto& one = slots_[next.slot];
            if (one.generation != next.generation || !one.over)
                continue;
            if (one.over->try_send("a"))
                next_bytes_.push_back({now + pause, next.slot, next.generation});
            else
                come_again(next.slot);
        }
    }

    void come_again(std::size_t number) {
        auto& one = slots_[number];
        one.over.reset();
        slow_ -= std::exchange(one.is_slow, false);
        ++one.generation;
        ++closed_;
        to_connect_.push_back(number);
    }

    struct next_byte {
        steady::time_point when;
        std::size_t slot;
        unsigned generation;
    };

    const client_context& context_;
    const settings& settings_;
    std::vector<slot> slots_;
    std::deque<std::size_t> to_connect_;
    std::deque<next_byte> next_bytes_;
    poller poller_;
    std::size_t connecting_ = 0;
    std::size_t slow_ = 0;
    std::size_t closed_ = 0;
    bool told_ = false;
};

}  // namespace

int main(int argc, char** argv) try {
    CLI::App app{"Clients of an HTTPS server that is measured."};
    settings s;
    app.add_option("port", s.port)->required();
    app.add_option("root", s.root)->required();
    app.add_option("--rate", s.rate)->check(CLI::PositiveNumber);
    app.add_option("--seconds", s.seconds)->check(CLI::PositiveNumber);
    app.add_option("--connections", s.connections)->check(CLI::PositiveNumber);
    app.add_option("--count", s.count)->check(CLI::PositiveNumber);
    app.add_option("--path", s.path);
    app.fallthrough();
    app.require_subcommand(1);
    const auto* latency = app.add_subcommand("latency", "");
    app.add_subcommand("slow", "");
    CLI11_PARSE(app, argc, argv);

    ignore_broken_pipes();
    raise_descriptor_limit();
    const client_context context{TLS1_3_VERSION, s.root};
    if (latency->parsed())
        constant_rate{context, s}.run();
    else
        slow_clients{context, s}.run();
    return EXIT_SUCCESS;
} catch (const std::exception& e) {
    std::cerr << "http_client: " << e.what() << '\n';
    return EXIT_FAILURE;
}
