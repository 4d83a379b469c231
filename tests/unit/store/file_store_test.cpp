#include <algorithm>
#include <cstdlib>
#include <sys/stat.h>

#include <asio/thread_pool.hpp>

#include "file_store_fixture.hpp"
#include "process.hpp"

using namespace evercert;
using namespace std::chrono_literals;
using Catch::Matchers::ContainsSubstring;
using fixture = test::file_store_fixture;
using test::certificate_value;
using test::failure;
namespace json = boost::json;

namespace {

mode_t mode_of(const std::string& path) {
    struct stat info = {};
    REQUIRE(::stat(path.c_str(), &info) == 0);
    return info.st_mode & 07777;
}

bool is_installed(const std::string& program) {
    return std::system(("command -v " + program + " >/dev/null 2>&1").c_str()) == 0;
}

}  // namespace

TEST_CASE("a certificate is one PEM file with what else is known in its first line, everything else is JSON") {
    fixture f;
    auto store = f.open();
    const auto value = certificate_value({"a.test"});
    f.save(*store, "certificates/a.test", value);
    f.save(*store, "accounts/ca.test:14000", {{"email", "ops@a.test"}, {"url", "https://ca.test/1"}});
    CHECK(f.load(*store, "certificates/a.test") == value);
    CHECK(f.load(*f.open(), "certificates/a.test") == value);
    const auto text = test::read_all(f.path("certificates/a.test.pem"));
    CHECK(text.find("evercert: {\"names\":[\"a.test\"],\"draw\":") == 0);
    CHECK(text.substr(text.find('\n') + 1).find("-----BEGIN PRIVATE KEY-----\n") == 0);
    CHECK_THAT(text, ContainsSubstring("\n-----BEGIN CERTIFICATE-----\n"));
    CHECK(
        test::read_all(f.path("accounts/ca.test:14000.json")) ==
        "{\n  \"email\": \"ops@a.test\",\n  \"url\": \"https://ca.test/1\"\n}\n");
}

TEST_CASE("folders are 0700 and files 0600") {
    fixture f;
    auto store = f.open();
    f.save(*store, "certificates/a.test", certificate_value({"a.test"}));
    f.save(*store, "hosts", {{"any", true}});
    f.run(store->lock("hosts", 10s));
    for (const auto* name : {"", "certificates", "locks", "previous", "writing"})
        CHECK(mode_of(f.path(name)) == 0700);
    for (const auto* name : {"certificates/a.test.pem", "hosts.json", "locks/hosts"})
        CHECK(mode_of(f.path(name)) == 0600);
}

TEST_CASE("the generation before is kept, and neither listed nor loaded") {
    fixture f;
    auto store = f.open();
    const auto first = certificate_value({"a.test"}), second = certificate_value({"a.test"});
    f.save(*store, "certificates/a.test", first);
    const auto before = test::read_all(f.path("certificates/a.test.pem"));
    CHECK_FALSE(std::filesystem::exists(f.path("previous/certificates/a.test.pem")));
    f.save(*store, "certificates/a.test", second);
    CHECK(test::read_all(f.path("previous/certificates/a.test.pem")) == before);
    CHECK(f.load(*store, "certificates/a.test") == second);
    CHECK(f.run(store->list("")) == std::vector<std::string>{"certificates/a.test"});
    f.save(*store, "certificates/a.test", first);
    CHECK(f.load(*store, "certificates/a.test") == first);
    f.run(store->remove("certificates/a.test"));
    CHECK(f.files() == std::set<std::string>{"locks/.tokens"});
}

TEST_CASE("a value that stops being a certificate, or becomes one, has one file") {
    fixture f;
    auto store = f.open();
    const auto value = certificate_value({"a.test"});
    f.save(*store, "certificates/a.test", {{"chain", "none"}, {"key", "none"}});
    CHECK(f.files("certificates") == std::set<std::string>{"a.test.json"});
    f.save(*store, "certificates/a.test", value);
    CHECK(f.files("certificates") == std::set<std::string>{"a.test.pem"});
    CHECK(f.load(*store, "certificates/a.test") == value);
    f.save(*store, "certificates/a.test", {{"chain", 1}});
    CHECK(f.files("certificates") == std::set<std::string>{"a.test.json"});
    CHECK(f.load(*store, "certificates/a.test") == json::object{{"chain", 1}});
}

TEST_CASE("openssl and nginx read the file as it is, however long its first line") {
    fixture f;
    auto store = f.open();
    std::vector<identifier> names;
    for (int i = 0; i < 100; ++i)
        names.push_back(*identifier::parse("name-" + std::to_string(i) + ".test"));
    auto value = certificate_value(names);
    // What looks like PEM wherever a reader with a buffer of 255 bytes may look.
    std::string hostile;
    for (int i = 0; i < 300; ++i)
        hostile += "-----BEGIN CERTIFICATE-----";
    value["note"] = hostile + std::string(300, '-') + "\n-----BEGIN PRIVATE KEY-----\n";
    f.save(*store, "certificates/a.test", value);
    CHECK(f.load(*store, "certificates/a.test") == value);
    const auto path = f.path("certificates/a.test.pem");
    const auto subject = test::run_program({"openssl", "x509", "-in", path, "-noout", "-ext", "subjectAltName"});
    CHECK_THAT(subject, ContainsSubstring("name-99.test"));
    const auto of_key = test::run_program({"openssl", "pkey", "-in", path, "-pubout"});
    const auto of_certificate = test::run_program({"openssl", "x509", "-in", path, "-noout", "-pubkey"});
    CHECK(of_key == of_certificate);
    if (is_installed("nginx")) {
        const auto configuration = f.folder.file("nginx.conf");
        std::string text = "pid pid; error_log stderr; events {} http { access_log off; ";
        for (const std::string user : {"client_body", "proxy", "fastcgi", "uwsgi", "scgi"})
            text += user + "_temp_path " + user + "; ";
        text += "server { listen 127.0.0.1:1 ssl; ssl_certificate " + path + "; ssl_certificate_key " + path + "; } }";
        test::write_all_to(configuration, text);
        CHECK_NOTHROW(test::run_program({"nginx", "-t", "-q", "-p", f.folder.path().string(), "-c", configuration}));
    }
}

TEST_CASE("a PEM file that somebody else put there is read, under the names of its certificate") {
    fixture f;
    auto store = f.open();
    const auto value = certificate_value({"a.test", "b.test"});
    const std::string chain{value.at("chain").as_string()}, key{value.at("key").as_string()};
    std::filesystem::create_directory(f.path("certificates"));
    for (const auto& text : {key + chain, "# mine\r\n" + chain + "\n\n" + key}) {
        test::write_all_to(f.path("certificates/a.test.pem"), text);
        CHECK(
            f.load(*store, "certificates/a.test") ==
            json::object{{"names", {"a.test", "b.test"}}, {"chain", chain}, {"key", key}});
    }
    CHECK(f.run(store->list("certificates/")) == std::vector<std::string>{"certificates/a.test"});
}

TEST_CASE("a damaged file is an error that names it, and is kept as the previous generation of what replaces it") {
    fixture f;
    auto store = f.open();
    const auto value = certificate_value({"a.test"});
    const std::string chain{value.at("chain").as_string()}, key{value.at("key").as_string()};
    const auto other = std::string{certificate_value({"b.test"}).at("key").as_string()};
    f.save(*store, "certificates/a.test", value);
    const auto path = f.path("certificates/a.test.pem");
    for (const auto& garbage :
         {std::string{}, std::string{"garbage"}, std::string{"evercert: {"}, std::string{"evercert: {}\n"},
          std::string{"evercert: []\n"} + key + chain, "evercert: {}\n" + key, chain, key, key + other + chain,
          other + chain, chain.substr(0, chain.size() / 2), "evercert: {}\n" + key + chain + "\xff",
          std::string{"evercert: {\"draw\": 1e999}\n"} + key + chain, std::string(1000, '\0')}) {
        test::write_all_to(path, garbage);
        CHECK_THAT(
            failure([&] { f.run(store->load("certificates/a.test")); }, errc::state_damaged), ContainsSubstring(path));
        CHECK(test::read_all(path) == garbage);
    }
    f.save(*store, "certificates/a.test", value);
    CHECK(f.load(*store, "certificates/a.test") == value);
    CHECK(test::read_all(f.path("previous/certificates/a.test.pem")) == std::string(1000, '\0'));

    for (const auto* garbage : {"", "[]", "{\"any\":", "{} {}", "{\"any\": 1e999}"}) {
        test::write_all_to(f.path("hosts.json"), garbage);
        CHECK_THAT(
            failure([&] { f.run(store->load("hosts")); }, errc::state_damaged),
            ContainsSubstring(f.path("hosts.json")));
    }
    test::write_all_to(f.path("hosts.json"), std::string(5 << 20, ' '));
    CHECK_THAT(failure([&] { f.run(store->load("hosts")); }), ContainsSubstring("larger than"));
}

TEST_CASE("what is no key is refused before it is a path") {
    fixture f;
    auto store = f.open();
    test::write_all_to(f.folder.file("outside.json"), "{\"secret\":1}");
    const std::string nul{"a\0b", 3};
    for (const std::string& key :
         {std::string{"../outside"}, std::string{".."}, std::string{"."}, std::string{""}, std::string{"/etc/passwd"},
          std::string{"a//b"}, std::string{"a/"}, std::string{"a/../../outside"}, std::string{"a/b/c/d/e"},
          std::string{"A"}, std::string{"a b"}, std::string{"ä"}, nul, std::string{"=00"}, std::string(271, 'a')}) {
        CAPTURE(key);
        CHECK_THAT(failure([&] { f.run(store->load(key)); }), ContainsSubstring("is not a key"));
        CHECK_THAT(failure([&] { f.run(store->save(key, "{}")); }), ContainsSubstring("is not a key"));
        CHECK_THAT(failure([&] { f.run(store->remove(key)); }), ContainsSubstring("is not a key"));
        CHECK_THAT(failure([&] { f.run(store->lock(key, 1s)); }), ContainsSubstring("is not a key"));
        CHECK(f.run(store->list(key + "/")).empty());
    }
    CHECK(std::filesystem::exists(f.folder.file("outside.json")));
    CHECK(f.files() == std::set<std::string>{"locks/.tokens"});
}

TEST_CASE("long names, names with a leading dot and the store's own folders are keys like others") {
    fixture f;
    auto store = f.open();
    const std::string long_name(253, 'a');
    const auto hash = ":0123456789abcdef";
    std::vector<std::string> keys{
        "certificates/" + long_name,
        "certificates/" + long_name + hash,
        "certificates/.hidden",
        "certificates/*.a.test",
        "certificates/2001:db8::1",
        "certificates/.../a",
        "locks/a",
        "previous/a",
        "writing/b/" + long_name,
        long_name + "/a/b/c",
        "locks",
        "a/b.json",
        "a/b.pem"};
    for (const auto& key : keys)
        f.save(*store, key, {{"is", key}});
    const auto certificate = certificate_value({"a.test"});
    f.save(*store, "certificates/" + long_name, certificate);
    for (const auto& key : keys) {
        CAPTURE(key);
        if (key != keys[0])
            CHECK(f.load(*store, key) == json::object{{"is", key}});
        f.run(store->unlock(f.run(store->lock(key, 10s))));
    }
    CHECK(f.load(*store, keys[0]) == certificate);
    std::sort(keys.begin(), keys.end());
    CHECK(f.run(store->list("")) == keys);
    CHECK(f.run(store->list("locks/")) == std::vector<std::string>{"locks/a"});
    CHECK(f.run(store->list(long_name + "/a/")) == std::vector<std::string>{long_name + "/a/b/c"});
    CHECK(f.run(store->list("certificates/.h")) == std::vector<std::string>{"certificates/.hidden"});
    for (const auto& key : keys)
        f.run(store->remove(key));
    CHECK(f.files() == std::set<std::string>{"locks/.tokens"});
}

TEST_CASE("files that are not the store's are neither listed nor touched") {
    fixture f;
    auto store = f.open();
    f.save(*store, "certificates/a.test", {{"n", 1}});
    for (const auto* name : {"README", "certificates/.a.test.pem.swp", "certificates/A.pem", "certificates/a.test.crt"})
        test::write_all_to(f.path(name), "mine");
    CHECK(f.run(store->list("")) == std::vector<std::string>{"certificates/a.test"});
    f.save(*f.open(), "certificates/a.test", {{"n", 2}});
    CHECK(test::read_all(f.path("README")) == "mine");
    CHECK(test::read_all(f.path("certificates/.a.test.pem.swp")) == "mine");
}

TEST_CASE("symbolic links, pipes and folders in the place of files are refused, not followed") {
    fixture f;
    auto store = f.open();
    test::write_all_to(f.folder.file("outside"), "{}");
    std::filesystem::create_symlink(f.folder.file("outside"), f.path("hosts.json"));
    CHECK_THAT(failure([&] { f.run(store->load("hosts")); }), ContainsSubstring("symbolic link"));
    f.save(*store, "hosts", {{"n", 1}});
    CHECK(test::read_all(f.folder.file("outside")) == "{}");
    std::filesystem::create_directory_symlink(f.folder.path(), f.path("accounts"));
    CHECK_THAT(failure([&] { f.run(store->save("accounts/a", "{}")); }), ContainsSubstring(f.path("accounts")));
    REQUIRE(::mkfifo(f.path("limits.json").c_str(), 0600) == 0);
    CHECK_THAT(failure([&] { f.run(store->load("limits")); }), ContainsSubstring("is not a file"));
    std::filesystem::create_directory(f.path("a.json"));
    CHECK_THAT(failure([&] { f.run(store->save("a", "{}")); }), ContainsSubstring(f.path("a.json")));
    std::filesystem::create_symlink(f.folder.file("outside"), f.path("locks/b"));
    CHECK_THAT(failure([&] { f.run(store->lock("b", 1s)); }), ContainsSubstring("symbolic link"));
    CHECK(f.files("writing").empty());
}

TEST_CASE("a value that is no object, or too large, is refused and what was there stays") {
    fixture f;
    auto store = f.open();
    f.save(*store, "hosts", {{"n", 1}});
    for (const auto* value : {"", "[]", "1", "{", "{} x"})
        CHECK_THAT(failure([&] { f.run(store->save("hosts", value)); }), ContainsSubstring("is not a JSON object"));
    CHECK_THAT(
        failure([&] { f.run(store->save("hosts", "{\"a\":\"" + std::string(store::value_max, 'x') + "\"}")); }),
        ContainsSubstring("more than 1048576"));
    CHECK(f.load(*store, "hosts") == json::object{{"n", 1}});
    // The longest text that a value can become.
    const std::string dashes = "{\"a\":\"" + std::string(store::value_max - 8, '-') + "\"}";
    f.run(store->save("hosts", dashes));
    CHECK(f.run(store->load("hosts")) == dashes);
}

TEST_CASE("saves of one value at once leave it whole, and a cancelled one does not harm others") {
    fixture f;
    asio::thread_pool several{4};
    f.options.blocking_executor = several.get_executor();
    auto store = f.open();
    std::vector<json::object> values;
    for (int i = 0; i < 4; ++i)
        values.push_back(certificate_value({"a.test"}));
    std::vector<std::unique_ptr<test::started<void>>> saves;
    for (int i = 0; i < 40; ++i)
        saves.push_back(std::make_unique<test::started<void>>(
            f.io.get_executor(),
            store->save("certificates/a.test", json::serialize(values[static_cast<std::size_t>(i) % 4]))));
    f.run(test::yield());
    saves[7]->cancel();
    auto all = [&]() -> asio::awaitable<void> {
        for (auto& one : saves)
            co_await test::failure_of(one->join());
    };
    f.run(all());
    CHECK(std::count(values.begin(), values.end(), f.load(*store, "certificates/a.test")) == 1);
    CHECK(f.files("writing").empty());
    several.join();
}

TEST_CASE("ten thousand certificates are listed without being opened") {
    fixture f;
    auto store = f.open();
    f.save(*store, "certificates/a.test", {{"n", 1}});
    for (int i = 0; i < 10'000; ++i)
        test::write_all_to(f.path("certificates/n" + std::to_string(i) + ".test.pem"), "");
    const auto from = std::chrono::steady_clock::now();
    const auto keys = f.run(store->list("certificates/"));
    const auto took = std::chrono::steady_clock::now() - from;
    CHECK(keys.size() == 10'001);
    CHECK(std::is_sorted(keys.begin(), keys.end()));
    CHECK(took < 1s);
    f.options.keys_max = 10'000;
    CHECK_THAT(failure([&] { f.run(f.open()->list("")); }), ContainsSubstring("more than 10000"));
}
