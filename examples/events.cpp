// Server-sent events: a page, and a stream that tells the seconds until the client goes. A client that comes back goes on where it was.
//
//     events DIRECTORY_URL CA_FILE HTTP_PORT HTTPS_PORT NAME

#include <chrono>
#include <csignal>
#include <cstdlib>
#include <exception>
#include <iostream>
#include <string>

#include <asio/co_spawn.hpp>
#include <asio/io_context.hpp>
#include <asio/signal_set.hpp>
#include <asio/steady_timer.hpp>
#include <asio/this_coro.hpp>
#include <asio/use_awaitable.hpp>

#include <evercert/evercert.hpp>

namespace {

constexpr const char* page = R"(<!doctype html>
<title>events</title>
<p id="now">waiting</p>
<script>
new EventSource("/events").onmessage = event => document.getElementById("now").textContent = event.data;
</script>
)";

asio::awaitable<evercert::response> home(evercert::request) {
    evercert::response answer{page};
    answer.fields.set("Content-Type", "text/html; charset=utf-8");
    co_return answer;
}

// Cancelled when the client has gone: nothing to clean up.
asio::awaitable<void> tell(evercert::body_writer& out, long last) {
    asio::steady_timer timer{co_await asio::this_coro::executor};
    for (long n = last + 1;; ++n) {
        const std::string event = "id: " + std::to_string(n) + "\ndata: tick " + std::to_string(n) + "\n\n";
        co_await out.write(event);
        co_await out.flush();
        timer.expires_after(std::chrono::seconds{1});
        co_await timer.async_wait(asio::use_awaitable);
    }
}

asio::awaitable<evercert::response> events(evercert::request asked) {
    const std::string last_id{asked.fields.get("Last-Event-ID")};
    const long last = std::atol(last_id.c_str());
    auto answer = evercert::response::stream([last](evercert::body_writer& out) { return tell(out, last); });
    answer.fields.set("Content-Type", "text/event-stream");
    answer.fields.set("Cache-Control", "no-store");
    co_return answer;
}

evercert::manager_options options(char** argv) {
    evercert::manager_options options;
    options.directory_url = argv[1];
    options.http.ca_file = argv[2];
    options.server.http_port = static_cast<std::uint16_t>(std::atoi(argv[3]));
    options.server.https_port = static_cast<std::uint16_t>(std::atoi(argv[4]));
    options.server.addresses = {asio::ip::address_v4::loopback()};
    return options;
}

}  // namespace

int main(int argc, char** argv) try {
    if (argc != 6) {
        std::cerr << "usage: events DIRECTORY_URL CA_FILE HTTP_PORT HTTPS_PORT NAME\n";
        return 2;
    }
    asio::io_context io;
    evercert::manager manager{io, options(argv)};
    manager.set_hosts({argv[5]});
    manager.handle("GET /{$}", home);
    manager.handle("GET /events", events);
    asio::signal_set signals{io, SIGINT, SIGTERM};
    signals.async_wait([&](std::error_code failed, int) {
        if (!failed)
            manager.stop();
    });
    asio::co_spawn(io, manager.serve(), [&](std::exception_ptr thrown) {
        signals.cancel();
        evercert::rethrow(thrown);
    });
    io.run();
} catch (const std::exception& e) {
    std::cerr << "events: " << e.what() << '\n';
    return 1;
}
