// Programs that others wrote, and what they make of the server's HTTP.

#include <array>
#include <iostream>

#include <openssl/evp.h>
#include <openssl/x509.h>

#include <evercert/mux.hpp>

#include "catch.hpp"
#include "http_load.hpp"

using namespace evercert;
using namespace std::chrono_literals;

namespace {

constexpr std::size_t upload_size = 20'000'000;

const char* const page = R"(<!doctype html>
<title>waiting</title>
<p id="said">nothing</p>
<script>
async function run() {
    const text = "x".repeat(300000);
    const echoed = await (await fetch("/count", {method: "POST", body: text})).text();
    const streamed = await (await fetch("/stream")).text();
    const refused = (await fetch("/refuses", {method: "POST", body: "y"})).status;
    const many = await Promise.all([...Array(20).keys()].map(async n => (await fetch("/item/" + n)).text()));
    const told = await new Promise(done => { new EventSource("/events").onmessage = event => done(event.data); });
    document.getElementById("said").textContent = [echoed, streamed.length, refused, many.join(""), told].join(" ");
}
run().catch(failed => document.getElementById("said").textContent = "failed: " + failed);
</script>
)";

asio::awaitable<response> home(request) {
    response answer{page};
    answer.fields.set("Content-Type", "text/html; charset=utf-8");
    co_return answer;
}

asio::awaitable<response> count(request asked) {
    std::array<char, 10'000> buffer;
    std::size_t total = 0;
    for (;;) {
        const auto size = co_await asked.body.read_some(buffer);
        if (size == 0)
            break;
        total += size;
    }
    co_return response{std::to_string(total) + " counted"};
}

asio::awaitable<void> write_pieces(body_writer& out) {
    for (int i = 0; i < 100; ++i) {
        const std::string piece(1'000, static_cast<char>('a' + i % 26));
        co_await out.write(piece);
        if (i % 10 == 0)
            co_await out.flush();
    }
    out.trailers().set("Sum", "100000");
}

asio::awaitable<response> stream_pieces(request) { co_return response::stream(write_pieces); }

asio::awaitable<void> write_event(body_writer& out) { co_await out.write("data: told\n\n"); }

asio::awaitable<response> tell(request) {
    auto answer = response::stream(write_event);
    answer.fields.set("Content-Type", "text/event-stream");
    co_return answer;
}

asio::awaitable<response> refuse(request) { co_return response{403, "not you"}; }

asio::awaitable<response> item(request asked) { co_return response{"<" + std::string{asked.path_value("n")} + ">"}; }

/// The server, and clients that are programs.
class site {
public:
    site() {
        handlers_.handle("GET /{$}", home);
        handlers_.handle("POST /count", count);
        handlers_.handle("PUT /count", count);
        handlers_.handle("GET /stream", stream_pieces);
        handlers_.handle("GET /events", tell);
        handlers_.handle("GET /item/{n}", item);
        handlers_.handle("/refuses", refuse);
    }

    /// What a program says until it ends; the server goes on meanwhile.
    std::string run(const std::vector<std::string>& command, const test::process::environment& extra = {}) {
        const auto log = folder / ("log" + std::to_string(++count_));
        test::process client{command, extra, log};
        load_.until("the client has ended", [&] { return !client.is_running(); });
        return client.log();
    }
    std::string curl(std::vector<std::string> options, const std::vector<std::string>& paths) {
        std::vector<std::string> command{"curl",       "--silent",  "--show-error",
                                         "--max-time", "60",        "--noproxy",
                                         "*",          "--resolve", "a.test:" + port() + ":127.0.0.1",
                                         "--cacert",   root()};
        command.insert(command.end(), options.begin(), options.end());
        for (const auto& path : paths)
            command.push_back("https://a.test:" + port() + path);
        return run(command);
    }

    std::string port() const { return std::to_string(load_.secure.port); }
    std::string root() const { return load_.root_file(); }
    certificate_ptr certificate() const { return load_.certificate(); }

    test::temporary_folder folder;

private:
    mux handlers_;
    test::http_load load_{[this](request asked) { return handlers_.answer(std::move(asked)); }};
    int count_ = 0;
};

bool has(const std::string& said, std::string_view text) { return said.find(text) != std::string::npos; }

bool is_installed(const char* program) {
    try {
        test::run_program({program, "--version"});
    } catch (const std::exception& e) {
        // wrk says its version with the status of an error.
        return std::string_view{e.what()}.find("failed") != std::string_view::npos;
    }
    return true;
}

/// As `--ignore-certificate-errors-spki-list` wants it: SHA-256 of the key, in base64.
std::string key_hash(const certificate& one) {
    unsigned char* der = nullptr;
    const int size = i2d_X509_PUBKEY(X509_get_X509_PUBKEY(one.native_handle()), &der);
    std::array<unsigned char, 32> hash;
    const bool hashed =
        size > 0 && EVP_Digest(der, static_cast<std::size_t>(size), hash.data(), nullptr, EVP_sha256(), nullptr) == 1;
    OPENSSL_free(der);
    REQUIRE(hashed);
    std::array<unsigned char, 64> text;
    const int written = EVP_EncodeBlock(text.data(), hash.data(), static_cast<int>(hash.size()));
    return {reinterpret_cast<const char*>(text.data()), static_cast<std::size_t>(written)};
}

const char* const python_client = R"(
import http.client, ssl, sys
port, root = int(sys.argv[1]), sys.argv[2]
context = ssl.create_default_context(cafile=root)
class Connection(http.client.HTTPSConnection):
    opened = 0
    def connect(self):
        Connection.opened += 1
        self.sock = context.wrap_socket(__import__("socket").create_connection(("127.0.0.1", port), 20), server_hostname="a.test")
c = Connection("a.test", port)
def ask(method, path, **more):
    c.request(method, path, **more)
    answer = c.getresponse()
    return answer.status, answer.read(), answer
status, body, answer = ask("GET", "/item/7")
print(status, body.decode(), answer.getheader("Date") is not None)
status, body, answer = ask("HEAD", "/item/7")
print(status, len(body), answer.getheader("Content-Length"))
status, body, answer = ask("GET", "/stream")
print(status, len(body), answer.getheader("Transfer-Encoding"))
def pieces():
    for n in range(300):
        yield b"z" * (n + 1)
status, body, answer = ask("POST", "/count", body=pieces(), encode_chunked=True, headers={"Transfer-Encoding": "chunked"})
print(status, body.decode())
status, body, answer = ask("PUT", "/count", body=b"q" * 2000000)
print(status, body.decode())
status, body, answer = ask("DELETE", "/item/7")
print(status, answer.getheader("Allow"))
status, body, answer = ask("GET", "/nothing")
print(status, "connections:", Connection.opened)
)";

}  // namespace

TEST_CASE("curl uploads and downloads by length and in chunks, on one connection, and gets early refusals") {
    site server;
    test::write_file(server.folder / "upload", std::string(upload_size, 'u'));
    const auto counted = std::to_string(upload_size) + " counted";
    const auto upload = "@" + (server.folder / "upload");
    CHECK(server.curl({"--data-binary", upload}, {"/count"}) == counted);
    CHECK(server.curl({"--data-binary", upload, "-H", "Transfer-Encoding: chunked"}, {"/count"}) == counted);
    CHECK(server.curl({"-T", server.folder / "upload", "-H", "Expect: 100-continue"}, {"/count"}) == counted);
    const auto invited = server.curl({"-v", "-d", "hi", "-H", "Expect: 100-continue"}, {"/count"});
    INFO(invited);
    CHECK(has(invited, "< HTTP/1.1 100 Continue"));
    CHECK(has(invited, "2 counted"));
    // A client that does not wait for an invitation is sending when it is refused, and reads that all the same.
    CHECK(server.curl({"--data-binary", upload, "-H", "Expect:", "-w", "%{http_code}"}, {"/refuses"}) == "not you403");
    CHECK(
        server.curl({"-w", " %{num_connects};"}, {"/item/1", "/item/2", "/stream"}).substr(0, 16) ==
        "<1> 1;<2> 0;aaaa");
    const auto head = server.curl({"--head"}, {"/item/1"});
    CHECK(has(head, "HTTP/1.1 200 OK\r\n"));
    CHECK(has(head, "Content-Length: 3\r\n"));
    const auto trailed = server.curl({"-D", "-", "-o", "/dev/null"}, {"/stream"});
    INFO(trailed);
    CHECK(has(trailed, "Transfer-Encoding: chunked"));
    CHECK(has(trailed, "Sum: 100000"));
}

TEST_CASE("Python's http.client keeps its connection over bodies of every kind") {
    site server;
    const auto said = server.run({"python3", "-c", python_client, server.port(), server.root()});
    CHECK(
        said ==
        "200 <7> True\n200 0 3\n200 100000 chunked\n200 45150 counted\n200 2000000 counted\n405 GET, HEAD\n"
        "404 connections: 1\n");
}

TEST_CASE("wrk gets an answer to each request, over many connections") {
    if (!is_installed("wrk")) {
        WARN("not run: there is no wrk here (tools/setup --test installs it)");
        return;
    }
    site server;
    const auto said = server.run(
        {"wrk", "-t", "2", "-c", "50", "-d", "2s", "--latency", "https://localhost:" + server.port() + "/item/1"});
    INFO(said);
    CHECK(has(said, "Requests/sec"));
    CHECK_FALSE(has(said, "Socket errors"));
    CHECK_FALSE(has(said, "Non-2xx"));
    // Of the line "  12345 requests in 2.00s, 1.60MB read".
    const auto end = said.find(" requests in");
    REQUIRE(end != said.npos);
    const auto begin = said.rfind(' ', end - 1);
    CHECK(std::atol(said.substr(begin, end - begin).c_str()) > 100);
}

TEST_CASE("Chromium runs a page that posts, streams and listens to events") {
    if (!is_installed("chromium")) {
        WARN("not run: there is no Chromium here (tools/setup --ci installs it)");
        return;
    }
    site server;
    const auto said = server.run(
        {"chromium", "--headless", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--no-first-run",
         "--disable-background-networking", "--disable-component-update",
         "--user-data-dir=" + (server.folder / "profile"),
         "--host-resolver-rules=MAP a.test 127.0.0.1:" + server.port() + ", MAP * ~NOTFOUND, EXCLUDE 127.0.0.1",
         "--ignore-certificate-errors-spki-list=" + key_hash(*server.certificate()), "--virtual-time-budget=20000",
         "--timeout=40000", "--dump-dom", "https://a.test/"},
        {{"HOME", server.folder.path()}});
    INFO(said);
    std::string items;
    for (int i = 0; i < 20; ++i)
        items += "&lt;" + std::to_string(i) + "&gt;";
    CHECK(has(said, "<p id=\"said\">300000 counted 100000 403 " + items + " told</p>"));
}
