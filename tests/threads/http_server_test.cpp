#include <atomic>
#include <thread>
#include <vector>

#include <asio/co_spawn.hpp>
#include <asio/executor_work_guard.hpp>
#include <asio/io_context.hpp>
#include <asio/post.hpp>
#include <asio/strand.hpp>

#include <evercert/error.hpp>
#include <evercert/rethrow.hpp>

#include "catch.hpp"
#include "certificates.hpp"
#include "http/client.hpp"
#include "server/http_server.hpp"
#include "temp_folder.hpp"

using namespace evercert;
using namespace std::chrono_literals;

namespace {

endpoint loopback() {
    endpoint at;
    at.address = asio::ip::make_address("127.0.0.1");
    return at;
}

class one_certificate final : public certificate_source {
public:
    certificate_ptr only;
    asio::awaitable<certificate_ptr> get_certificate(client_hello) override { co_return only; }
};

asio::awaitable<void> write_in_pieces(body_writer& out, std::string text) {
    for (std::size_t at = 0; at < text.size(); at += 5'000) {
        co_await out.write(std::string_view{text}.substr(at, 5'000));
        co_await out.flush();
    }
}

/// What it was sent, as a stream, or the target.
asio::awaitable<response> echo(request message) {
    if (message.method != "POST")
        co_return response{std::move(message.target)};
    const auto text = co_await message.body.text();
    const auto write = [text](body_writer& out) { return write_in_pieces(out, text); };
    co_return response::stream(write);
}

/// One client after the other, each with a connection that it uses twice.
asio::awaitable<void> ask(std::string url, http_client_options options, int times, std::atomic<int>& answered) {
    for (int i = 0; i < times; ++i) {
        http_client client{options, system_clock(), system_network(), logger{}, url_schemes::http_and_https};
        for (int j = 0; j < 2; ++j) {
            request message{j == 0 ? "GET" : "POST", url + std::to_string(j)};
            std::string expected = "/0";
            if (j == 1)
                message.body = expected = std::string(20'000, static_cast<char>('a' + i % 26));
            try {
                auto answer = co_await client.send(std::move(message));
                answered += answer.body == expected;
            } catch (const error&) {
                co_return;  // the server has stopped
            }
        }
    }
}

}  // namespace

TEST_CASE("a server whose connections run on several threads answers, drains and stops") {
    asio::io_context io{4};
    auto work = asio::make_work_guard(io);
    const auto own = asio::make_strand(io);
    test::authority root{system_clock()->wall()};
    one_certificate source;
    source.only = root.issue({"127.0.0.1"});
    test::temp_folder folder;
    test::write_all_to(folder.file("roots"), root.root_pem());
    http_client_options options;
    options.ca_file = folder.file("roots");

    http_server server{own, io.get_executor(), server_options{}, system_clock(), logger{}};
    auto plain = system_network()->listen(own, loopback());
    auto secure = system_network()->listen(own, loopback());
    const std::vector<std::string> urls{
        "http://" + to_string(plain->local_endpoint()) + "/", "https://" + to_string(secure->local_endpoint()) + "/"};
    server.add(std::move(plain), echo);
    server.add(std::move(secure), echo, source);

    std::atomic<int> answered = 0;
    std::atomic<bool> returned = false;
    asio::co_spawn(own, server.run(), [&](std::exception_ptr thrown) {
        returned = !thrown;
        work.reset();
    });
    for (int i = 0; i < 4; ++i)
        for (const auto& url : urls)
            asio::co_spawn(asio::make_strand(io), ask(url, options, 1'000'000, answered), evercert::rethrow);

    std::vector<std::thread> threads;
    for (int i = 0; i < 4; ++i)
        threads.emplace_back([&io] { io.run(); });
    while (answered < 500)
        std::this_thread::yield();
    asio::post(own, [&] { server.stop(10s); });
    for (auto& thread : threads)
        thread.join();
    CHECK(returned);
    CHECK(server.connections() == 0);
}
