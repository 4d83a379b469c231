#include "scripted_ca.hpp"

#include <array>

#include <boost/json/parse.hpp>
#include <fmt/format.h>

#include <evercert/clock.hpp>
#include <evercert/server_options.hpp>
#include <evercert/tls_stream.hpp>

#include "crypto/encoding.hpp"
#include "crypto/issue.hpp"
#include "serve_http.hpp"
#include "wire.hpp"

using namespace evercert;

namespace test {
namespace {

struct credentials {
    std::string root_pem;
    certificate_ptr leaf;
};

/// Made once: keys and signatures are most of the time of a small test.
const credentials& shared_credentials() {
    static const credentials made = [] {
        const auto now = system_clock()->wall();
        const validity valid{now - std::chrono::hours{1}, now + std::chrono::hours{24}};
        const auto root_key = private_key::generate();
        const auto root = make_root("scripted CA", root_key, valid);
        const auto key = private_key::generate();
        const certificate_request wanted{{identifier{"127.0.0.1"}}, public_key{key}, valid};
        return credentials{root.chain_pem(), std::make_shared<certificate>(issue(wanted, root), key)};
    }();
    return made;
}

scripted_ca::seen look_at(const request& ask) {
    scripted_ca::seen result;
    result.method = ask.method;
    result.path = ask.path();
    result.fields = ask.fields;
    result.body = ask.body.whole();
    if (ask.method != "POST")
        return result;
    auto text = [](const boost::json::object& jws, const char* name) {
        auto decoded = base64url_decode(std::string{jws.at(name).as_string()});
        return std::string{decoded.value().begin(), decoded.value().end()};
    };
    const auto jws = boost::json::parse(ask.body.whole()).as_object();
    result.header = boost::json::parse(text(jws, "protected")).as_object();
    result.payload = text(jws, "payload");
    return result;
}

}  // namespace

scripted_ca::scripted_ca(asio::any_io_executor executor)
    : executor_{executor},
      certificate_{shared_credentials().leaf},
      tls_{tls_server_options{.alpn_protocols = {"http/1.1"}}},
      listener_{system_network()->listen(executor, {asio::ip::address_v4::loopback(), 0})},
      connections_{executor},
      never_{executor} {
    write_file(folder_ / "root.pem", shared_credentials().root_pem);
    connections_.spawn(accept());
}

void scripted_ca::on(const std::string& path, answer how) { answers_[path] = std::make_shared<answer>(std::move(how)); }

void scripted_ca::on(const std::string& path, response fixed) {
    on(path, [fixed](const seen&) { return fixed; });
}

void scripted_ca::json(const std::string& path, int status, std::string body, std::string location) {
    response fixed{status, std::move(body)};
    fixed.fields.set("Content-Type", "application/json");
    if (!location.empty())
        fixed.fields.set("Location", location);
    on(path, std::move(fixed));
}

void scripted_ca::usual() {
    json("/dir", 200, fmt::format("{{{}}}", directory_members()));
    on("/nonce", response{200});
    json("/account", 201, R"({"status": "valid"})", url("/account/1"));
}

void scripted_ca::offer_renewal_info() {
    json("/dir", 200, fmt::format(R"({{{}, "renewalInfo": "{}"}})", directory_members(), url("/ari")));
}

std::string scripted_ca::directory_members() const {
    return fmt::format(
        R"("newNonce": "{0}/nonce", "newAccount": "{0}/account", "newOrder": "{0}/new-order", "revokeCert": "{0}/revoke")",
        url(""));
}

std::string scripted_ca::url(std::string_view path) const {
    return fmt::format("https://{}{}", to_string(listener_->local_endpoint()), path);
}

acme::client_options scripted_ca::options() const {
    acme::client_options result;
    result.directory_url = url("/dir");
    result.http.ca_file = folder_ / "root.pem";
    result.poll_first = std::chrono::milliseconds{1};
    return result;
}

int scripted_ca::count(std::string_view path) const {
    int n = 0;
    for (auto& request : requests)
        n += request.path == path;
    return n;
}

asio::awaitable<void> scripted_ca::stop() {
    listener_->close();
    connections_.cancel();
    co_await connections_.join();
}

asio::awaitable<void> scripted_ca::accept() {
    for (;;) {
        auto connected = co_await listener_->accept(executor_);
        connections_.spawn(serve(std::move(connected)));
    }
}

asio::awaitable<void> scripted_ca::serve(std::unique_ptr<stream> connected) {
    auto tls = std::make_unique<tls_stream>(std::move(connected), tls_);
    auto* open = tls.get();
    auto hello = co_await tls->receive_client_hello();
    co_await tls->finish_handshake(certificate_);
    streams_.insert(open);
    auto ended = co_await as_outcome(serve_requests(std::move(tls)));
    streams_.erase(open);
    ended.get();
}

asio::awaitable<void> scripted_ca::serve_requests(std::unique_ptr<stream> tls) {
    if (!raw.empty())
        co_return co_await serve_raw(*tls);
    const handler answer = [this](request ask) { return reply(std::move(ask)); };
    co_await serve_http(std::move(tls), answer);
}

asio::awaitable<void> scripted_ca::serve_raw(stream& tls) {
    for (;;) {
        request_decoder decoder{wide_limits};
        std::array<std::byte, 1> one;
        while (!decoder.complete()) {
            if (co_await read_some(tls, one) == 0)
                co_return;
            const char c = static_cast<char>(one[0]);
            decoder.feed(std::string_view{&c, 1});
        }
        const auto ask = decoder.message();
        const auto found = raw.find(ask.path());
        if (found == raw.end()) {
            const auto answer = co_await reply(ask);
            co_await write_all(tls, encode_response_head(answer, true, system_clock()->wall()) + answer.body);
            continue;
        }
        const auto endless = found->second;
        co_await write_all(tls, endless.first);
        std::string block;
        while (block.size() < 4'096)
            block += endless.again;
        for (;;)
            co_await write_all(tls, block);
    }
}

void scripted_ca::drop_connections() {
    for (auto* open : streams_)
        open->close();
}

asio::awaitable<response> scripted_ca::reply(request ask) {
    auto body = co_await ask.body.text();
    ask.body = std::move(body);
    requests.push_back(look_at(ask));
    const auto asked = requests.back();
    auto found = answers_.find(asked.path);
    if (found == answers_.end())
        co_return response{404};
    while (held.contains(asked.path))
        co_await never_.wait();
    // Kept: the test may change the script from inside of it.
    auto how = found->second;
    auto result = (*how)(asked);
    if (gives_nonces && !result.fields.has("Replay-Nonce"))
        result.fields.set("Replay-Nonce", fmt::format("n{}", ++nonces_));
    co_return result;
}

response problem(int status, const std::string& type, const std::string& detail) {
    response result{
        status, fmt::format(R"({{"type": "urn:ietf:params:acme:error:{}", "detail": "{}"}})", type, detail)};
    result.fields.set("Content-Type", "application/problem+json");
    return result;
}

acme::client client_of(const scripted_ca& ca) {
    return acme::client{private_key::generate(), ca.url("/account/1"), ca.options()};
}

}  // namespace test
