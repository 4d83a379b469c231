// What the plain port answers beside validations and the redirect.

#include "catch.hpp"
#include "local_site.hpp"

using namespace evercert;

namespace {

asio::awaitable<response> name_itself(request asked) { co_return response{"plain " + asked.server_name}; }

asio::awaitable<response> ask(test::local_site& site, request asked) {
    http_client client{
        http_client_options{}, system_clock(), std::make_shared<test::loopback_network>(), logger{},
        url_schemes::http_and_https};
    asked.target = "http://a.test:" + std::to_string(site.manager->http_endpoints().at(0).port) + asked.target;
    co_return co_await client.send(std::move(asked));
}

std::string told(test::local_site& site, const std::string& method, const std::string& target) {
    request asked{method, target};
    const auto answer = site.run(ask(site, std::move(asked)));
    return std::to_string(answer.status) + " " + std::string{answer.fields.get("Location")} +
        (answer.status == 200 ? answer.body : "");
}

}  // namespace

TEST_CASE("the plain port answers what the application handles there, and redirects the rest as it came") {
    test::local_site site;
    site.manager->handle_http("GET /health", name_itself);
    site.manager->handle_http("b.test/", name_itself);
    site.start();
    CHECK(told(site, "GET", "/health") == "200 plain ");
    CHECK(told(site, "GET", "/") == "302 https://a.test/");
    CHECK(told(site, "POST", "/health") == "308 https://a.test/health");
    CHECK(told(site, "GET", "/x/..//y?z") == "302 https://a.test/x/..//y?z");
    CHECK_THROWS_AS(site.manager->handle_http("/late", name_itself), error);
}

TEST_CASE("without a handler of the application's the plain port serves nothing") {
    test::local_site site;
    site.start();
    CHECK(told(site, "GET", "/") == "302 https://a.test/");
    CHECK(told(site, "GET", "//a//b") == "302 https://a.test//a//b");
    CHECK(
        told(site, "GET", "/.well-known/acme-challenge/none") == "302 https://a.test/.well-known/acme-challenge/none");
}

TEST_CASE("a validation is answered before the application's handlers, whatever they take") {
    test::local_site site{[](manager_options& options) { options.challenges = {challenge_type::http_01}; }};
    int validations = 0;
    site.manager->handle_http("/", [&validations](request asked) {
        validations += asked.path().starts_with("/.well-known/acme-challenge/") ? 1 : 0;
        return name_itself(std::move(asked));
    });
    site.start();
    CHECK(site.run(site.get("a.test")) == "hello from a.test");
    CHECK(validations == 0);
    // A token that nobody is validated by is the application's, as any path.
    CHECK(told(site, "GET", "/.well-known/acme-challenge/none") == "200 plain ");
    CHECK(validations == 1);
}

TEST_CASE("patterns of the plain port conflict with each other and not with those of HTTPS") {
    test::local_site site;
    site.manager->handle_http("/", name_itself);
    CHECK_THROWS_AS(site.manager->handle_http("/{path...}", name_itself), error);
    CHECK_THROWS_AS(site.manager->handle("/{path...}", name_itself), error);
    site.start();
    CHECK(told(site, "GET", "/") == "200 plain ");
    CHECK(site.run(site.get("a.test")) == "hello from a.test");
}
