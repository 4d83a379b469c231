#include "crypto/issue.hpp"
#include "crypto/pem.hpp"
#include "crypto/x509_builder.hpp"
#include "resumption_setting.hpp"

using namespace evercert;
using namespace std::chrono_literals;
using clients = test::returning_clients;

namespace {

/// A CA whose certificates are clients', and its own as PEM.
struct client_ca {
    private_key key = private_key::generate();
    wall_time from = test::still_clock{}.now - std::chrono::days{30};
    certificate root = make_root("Client Root", key, {from, from + std::chrono::days{3000}});

    certificate_ptr issue(const char* usage = "clientAuth") const {
        auto own = private_key::generate();
        x509_builder builder;
        builder.serial({}).validity(from, from + std::chrono::days{90}).key(own.native_handle());
        builder.common_name("sensor 7");
        builder.extension(NID_key_usage, "critical,digitalSignature").extension(NID_ext_key_usage, usage);
        builder.issued_by(root.native_handle());
        builder.extension(NID_subject_alt_name, "DNS:sensor.test,URI:urn:sensor:7,email:ops@sensor.test,IP:192.0.2.1");
        const auto pem = write_pem("CERTIFICATE", encode_der(i2d_X509, builder.sign(key).get()));
        return std::make_shared<const certificate>(pem, std::move(own));
    }
};

const client_ca& sensors() {
    static const client_ca ca;
    return ca;
}

tls_server_options asking(client_authentication how) {
    tls_server_options options;
    options.client_certificates = how;
    options.client_ca_pem = sensors().root.chain_pem();
    return options;
}

std::error_code failure_of_visit(clients& all) {
    return test::run_io(test::failure_of(all.connect("a.test", nullptr)));
}

}  // namespace

TEST_CASE("a client's verified certificate says who it is") {
    clients all{GENERATE(TLS1_2_VERSION, TLS1_3_VERSION), asking(client_authentication::required)};
    all.shown = sensors().issue();
    const auto visit = test::run_io(all.connect("a.test", nullptr));
    REQUIRE(visit.client);
    CHECK(visit.client->common_name == "sensor 7");
    CHECK(visit.client->subject == "CN=sensor 7");
    CHECK(visit.client->dns_names == std::vector<std::string>{"sensor.test"});
    CHECK(visit.client->uris == std::vector<std::string>{"urn:sensor:7"});
    CHECK(visit.client->emails == std::vector<std::string>{"ops@sensor.test"});
    CHECK(visit.client->serial == all.shown->serial());
    CHECK(visit.client->not_after == all.shown->not_after());
    CHECK(visit.client->fingerprint.size() == 64);
}

TEST_CASE("a session that is resumed keeps its client's identity, as long as the certificate is valid") {
    auto options = asking(client_authentication::required);
    const auto keys = std::make_shared<shared_ticket_keys>();
    options.ticket_keys = keys;
    clients all{GENERATE(TLS1_2_VERSION, TLS1_3_VERSION), options};
    ticket_key lasting;
    lasting.until = all.time->now + 24h * 365;
    keys->set({lasting});
    all.shown = sensors().issue();
    const auto first = test::run_io(all.connect("a.test", nullptr));
    const auto second = test::run_io(all.connect("a.test", first.session.get()));
    CHECK(second.resumed);
    REQUIRE(second.client);
    CHECK(second.client->fingerprint == first.client->fingerprint);
    all.time->now = all.shown->not_after() + 1s;
    CHECK(test::run_io(test::failure_of(all.connect("a.test", first.session.get()))) != std::error_code{});
}

TEST_CASE("a session of a server with other client CAs is not resumed") {
    const auto keys = std::make_shared<shared_ticket_keys>();
    auto options = asking(client_authentication::required);
    options.ticket_keys = keys;
    clients all{TLS1_3_VERSION, options};
    ticket_key lasting;
    lasting.until = all.time->now + 24h;
    keys->set({lasting});
    all.shown = sensors().issue();
    const auto first = test::run_io(all.connect("a.test", nullptr));
    options.client_ca_pem += client_ca{}.root.chain_pem();
    const tls_server_context other{clients::at(options, all.time)};
    const auto second = test::run_io(all.connect("a.test", first.session.get(), &other));
    CHECK_FALSE(second.resumed);
    CHECK(second.client);
}

TEST_CASE("a session that began without a certificate is not resumed where one is required") {
    const auto keys = std::make_shared<shared_ticket_keys>();
    auto options = asking(client_authentication::optional);
    options.ticket_keys = keys;
    clients all{GENERATE(TLS1_2_VERSION, TLS1_3_VERSION), options};
    ticket_key lasting;
    lasting.until = all.time->now + 24h;
    keys->set({lasting});
    const auto first = test::run_io(all.connect("a.test", nullptr));
    CHECK(test::run_io(all.connect("a.test", first.session.get())).resumed);
    options.client_certificates = client_authentication::required;
    const tls_server_context strict{clients::at(options, all.time)};
    CHECK(test::run_io(test::failure_of(all.connect("a.test", first.session.get(), &strict))));
    all.shown = sensors().issue();
    const auto second = test::run_io(all.connect("a.test", first.session.get(), &strict));
    CHECK_FALSE(second.resumed);
    CHECK(second.client);
}

TEST_CASE("a client without a certificate is served if they are optional, and refused if they are required") {
    const int version = GENERATE(TLS1_2_VERSION, TLS1_3_VERSION);
    clients optional{version, asking(client_authentication::optional)};
    CHECK_FALSE(test::run_io(optional.connect("a.test", nullptr)).client);
    clients required{version, asking(client_authentication::required)};
    CHECK(failure_of_visit(required));
}

TEST_CASE("a client whose certificate does not verify is refused in either case") {
    const auto how = GENERATE(client_authentication::optional, client_authentication::required);
    clients all{TLS1_3_VERSION, asking(how)};
    all.shown = client_ca{}.issue();
    CHECK(failure_of_visit(all) == errc::peer_untrusted);
    all.shown = sensors().issue("serverAuth");
    CHECK(failure_of_visit(all) == errc::peer_untrusted);
    all.shown = sensors().issue();
    all.time->now += 24h * 365;
    CHECK(failure_of_visit(all) == errc::peer_untrusted);
}

TEST_CASE("a server that does not ask for certificates has nobody's identity") {
    clients all{TLS1_3_VERSION};
    all.shown = sensors().issue();
    CHECK_FALSE(test::run_io(all.connect("a.test", nullptr)).client);
}

TEST_CASE("client CAs that are no certificates are refused") {
    auto options = asking(client_authentication::required);
    options.client_ca_file = "/nowhere/ca.pem";
    CHECK_THROWS_AS(tls_server_context{options}, error);
    options.client_ca_file.clear();
    options.client_ca_pem.clear();
    CHECK_THROWS_AS(tls_server_context{options}, error);
    options.client_ca_pem = "no PEM";
    CHECK_THROWS_AS(tls_server_context{options}, error);
    options.client_ca_pem = "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n";
    CHECK_THROWS_AS(tls_server_context{options}, error);
}

TEST_CASE("the CAs of clients may be in a file") {
    auto options = asking(client_authentication::required);
    const test::temporary_folder folder;
    options.client_ca_file = folder / "ca.pem";
    test::write_file(options.client_ca_file, std::exchange(options.client_ca_pem, {}));
    clients all{TLS1_3_VERSION, options};
    all.shown = sensors().issue();
    CHECK(test::run_io(all.connect("a.test", nullptr)).client);
}
