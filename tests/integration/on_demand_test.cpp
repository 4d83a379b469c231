#include <csignal>
#include <filesystem>
#include <string>

#include "catch.hpp"
#include "example_programs.hpp"
#include "pebble.hpp"
#include "process.hpp"

using namespace std::chrono_literals;

namespace {

/// The platform with two customers.
struct fixture {
    test::pebble ca;
    test::temporary_folder folder;

    fixture() {
        test::write_file(folder / "root.pem", ca.issuing_root_pem());
        test::write_file(folder / "customers", "ann secret-of-ann\nbob secret-of-bob\n");
        for (const std::string name : {"ann", "bob"}) {
            std::filesystem::create_directories(folder / ("sites/" + name));
            test::write_file(folder / ("sites/" + name + "/index.html"), "the site of " + name + "\n");
        }
    }

    std::vector<std::string> arguments() const {
        return {
            "--platform",
            "app.test",
            "--customers",
            folder / "customers",
            "--sites",
            folder / "sites",
            "--domains",
            folder / "domains",
            "--domains-per-customer",
            "2",
            "--store",
            folder / "store",
            "--http-port",
            std::to_string(ca.http_port()),
            "--https-port",
            std::to_string(ca.tls_port())};
    }
    test::process start() const {
        return test::start_example("on_demand", ca, folder / "log", {ca.tls_port()}, arguments());
    }

    /// The status and the body. Throws if there is no connection.
    std::string get(const std::string& host, std::vector<std::string> more = {}) const {
        return curl("https://" + host, ca.tls_port(), std::move(more));
    }
    std::string plain(const std::string& host) const { return curl("http://" + host, ca.http_port(), {}); }
    std::string say(const std::string& method, const std::string& path, const std::string& token) const {
        return get("app.test" + path, {"-X", method, "-H", "Authorization: Bearer " + token});
    }

private:
    std::string curl(const std::string& url, std::uint16_t port, std::vector<std::string> more) const {
        std::vector<std::string> command{
            "curl",
            "-sS",
            "-w",
            "%{http_code} %{redirect_url}",
            "--noproxy",
            "*",
            "--max-time",
            "20",
            "--cacert",
            folder / "root.pem",
            "--connect-to",
            "::127.0.0.1:" + std::to_string(port),
            url};
        command.insert(command.end(), more.begin(), more.end());
        return test::run_program(command);
    }
};

}  // namespace

TEST_CASE("on_demand obtains a certificate for a domain that a customer has claimed, and for no other") {
    fixture f;
    auto platform = f.start();
    // Refused as long as it is nobody's, and again once it is given up.
    CHECK_THROWS(f.get("shop.test/"));
    CHECK_THROWS(f.get("random.test/"));
    CHECK_THAT(f.say("PUT", "/domains/shop.test", "secret-of-ann"), Catch::Matchers::EndsWith("201 "));
    CHECK(f.get("shop.test/") == "the site of ann\n200 ");
    CHECK_THAT(f.say("GET", "/domains", "secret-of-ann"), Catch::Matchers::ContainsSubstring("shop.test valid\n"));
    CHECK(f.say("GET", "/domains", "secret-of-bob") == "200 ");
    CHECK_THAT(f.say("PUT", "/domains/club.test", "secret-of-bob"), Catch::Matchers::EndsWith("201 "));
    CHECK(f.get("club.test/") == "the site of bob\n200 ");
    CHECK_THROWS(f.get("random.test/"));
    CHECK_THAT(f.say("DELETE", "/domains/shop.test", "secret-of-ann"), Catch::Matchers::EndsWith("200 "));
    CHECK_THAT(f.get("shop.test/"), Catch::Matchers::EndsWith("404 "));
    platform.signal(SIGTERM);
    CHECK(platform.wait(3s) == 0);
    CHECK_THAT(
        platform.log(),
        Catch::Matchers::ContainsSubstring("order for shop.test") &&
            Catch::Matchers::ContainsSubstring("order for club.test"));
    CHECK_THAT(platform.log(), !Catch::Matchers::ContainsSubstring("order for random.test"));
    for (const std::string name : {"app.test", "shop.test", "club.test"})
        CHECK(std::filesystem::exists(f.folder / ("store/certificates/" + name + ".pem")));
    CHECK_FALSE(std::filesystem::exists(f.folder / "store/certificates/random.test.pem"));

    // What was claimed is in the table, and what was obtained is served without the CA.
    f.ca.stop();
    auto again = f.start();
    CHECK(f.get("club.test/") == "the site of bob\n200 ");
    CHECK_THAT(f.get("shop.test/"), Catch::Matchers::EndsWith("404 "));
    again.signal(SIGTERM);
    CHECK(again.wait(3s) == 0);
}

TEST_CASE("on_demand lets a customer claim so many domains that are free, and nobody else anything") {
    fixture f;
    auto platform = f.start();
    CHECK_THAT(f.get("app.test/domains"), Catch::Matchers::EndsWith("401 "));
    CHECK_THAT(f.say("PUT", "/domains/a.test", "secret-of-eve"), Catch::Matchers::EndsWith("401 "));
    CHECK_THAT(f.say("PUT", "/domains/a.test", "secret-of-ann"), Catch::Matchers::EndsWith("201 "));
    CHECK_THAT(f.say("PUT", "/domains/a.test", "secret-of-ann"), Catch::Matchers::EndsWith("200 "));
    CHECK_THAT(f.say("PUT", "/domains/a.test", "secret-of-bob"), Catch::Matchers::EndsWith("409 "));
    CHECK_THAT(f.say("DELETE", "/domains/a.test", "secret-of-bob"), Catch::Matchers::EndsWith("404 "));
    CHECK_THAT(f.say("PUT", "/domains/app.test", "secret-of-bob"), Catch::Matchers::EndsWith("403 "));
    CHECK_THAT(f.say("PUT", "/domains/x.app.test", "secret-of-bob"), Catch::Matchers::EndsWith("403 "));
    CHECK_THAT(f.say("PUT", "/domains/%2A.b.test", "secret-of-bob"), Catch::Matchers::EndsWith("400 "));
    CHECK_THAT(f.say("PUT", "/domains/127.0.0.1", "secret-of-bob"), Catch::Matchers::EndsWith("400 "));
    CHECK_THAT(f.say("PUT", "/domains/b.test", "secret-of-ann"), Catch::Matchers::EndsWith("201 "));
    CHECK_THAT(f.say("PUT", "/domains/c.test", "secret-of-ann"), Catch::Matchers::EndsWith("403 "));
    CHECK(test::read_file(f.folder / "domains") == "a.test ann\nb.test ann\n");
    // Its own host is no site, whatever is asked for there.
    CHECK_THAT(f.get("app.test/"), Catch::Matchers::EndsWith("404 "));
    // The plain port has what the load balancer asks for, and redirects the rest.
    CHECK(f.plain("a.test/health") == "well\n200 ");
    CHECK_THAT(f.plain("a.test/"), Catch::Matchers::EndsWith("302 https://a.test/"));
}

TEST_CASE("on_demand says what is wrong with its files") {
    fixture f;
    const auto refused = [&] {
        test::process platform{test::example_command("on_demand", f.ca, f.arguments()), {}, f.folder / "refused.log"};
        CHECK(platform.wait(5s) == 1);
        return platform.log();
    };
    test::write_file(f.folder / "domains", "a.test ann\nnonsense\n");
    CHECK_THAT(refused(), Catch::Matchers::ContainsSubstring("domains, line 2"));
    test::write_file(f.folder / "domains", "");
    test::write_file(f.folder / "customers", "eve secret-of-eve\n");
    CHECK_THAT(refused(), Catch::Matchers::ContainsSubstring("sites/eve"));
}
