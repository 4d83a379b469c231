#include <filesystem>
#include <fstream>
#include <string>
#include <vector>

#include <evercert/error.hpp>
#include <evercert/mux.hpp>
#include <evercert/static_files.hpp>

#include "catch.hpp"
#include "run.hpp"
#include "temp_folder.hpp"

using namespace evercert;

namespace {

namespace fs = std::filesystem;

class collected final : public body_writer {
public:
    std::string text;
    asio::awaitable<void> write(std::string_view data) override {
        text += data;
        co_return;
    }
    asio::awaitable<void> flush() override { co_return; }
    fields& trailers() noexcept override { return trailers_; }

private:
    fields trailers_;
};

struct fixture {
    test::temp_folder folder;
    fs::path root = folder.file("root");

    fixture() {
        fs::create_directories(root / "sub" / ".git");
        fs::create_directories(root / ".well-known");
        put("index.html", "<p>home");
        put("a b.TXT", "text");
        put("big.bin", std::string(200'000, 'b'));
        put("sub/index.html", "<p>sub");
        put("sub/.git/config", "secret");
        put(".env", "secret");
        put(".well-known/security.txt", "contact");
        std::ofstream{folder.file("secret")} << "secret";
        fs::create_symlink("../secret", root / "link");
        fs::create_directory_symlink("..", root / "up");
    }
    void put(const std::string& name, const std::string& content) { std::ofstream{root / name} << content; }

    response ask(request asked, static_files_options options = {}) {
        mux m;
        m.handle("/", static_files(root.string(), std::move(options)));
        auto answer = test::run_io(m.answer(std::move(asked)));
        if (answer.producer) {
            collected into;
            test::run_io(answer.producer(into));
            CHECK(into.text.size() == answer.producer_size);
            answer.body = into.text;
        }
        return answer;
    }
    std::string get(const std::string& target) {
        const auto answer = ask({"GET", target});
        return answer.status == 200 ? answer.body : std::to_string(answer.status);
    }
};

}  // namespace

TEST_CASE("files are found by their path, folders by their index") {
    fixture f;
    CHECK(f.get("/") == "<p>home");
    CHECK(f.get("/sub/") == "<p>sub");
    CHECK(f.get("/a%20b.TXT") == "text");
    CHECK(f.get("/big.bin") == std::string(200'000, 'b'));
    CHECK(f.get("/.well-known/security.txt") == "contact");
    CHECK(f.get("/none") == "404");
    CHECK(f.get("/index.html/") == "404");
    CHECK(f.get("/.well-known/") == "404");
    const auto moved = f.ask({"GET", "/sub?a=b"});
    CHECK(moved.status == 308);
    CHECK(moved.fields.get("Location") == "/sub/?a=b");
}

TEST_CASE("an encoded slash is no way around a pattern that guards a folder") {
    fixture f;
    CHECK(f.ask({"GET", "/sub/index.html"}).status == 200);
    CHECK(f.ask({"GET", "/sub%2findex.html"}).status == 404);
    CHECK(f.ask({"GET", "/sub%2Findex.html"}).status == 404);
}

TEST_CASE("nothing leads out of the folder, or to what is hidden in it") {
    fixture f;
    for (const std::string target :
         {"/../secret", "/%2e%2e/secret", "/sub/%2e%2e/%2e%2e/secret", "/sub%2f..%2f..%2fsecret", "/..%2fsecret",
          "/link", "/up/secret", "/up%2fsecret", "/.env", "/%2eenv", "/sub/.git/config", "/sub/.git", "/a%00b",
          "/%2f..%2fsecret", "//etc/passwd", "/%2fetc%2fpasswd", "/%zz", "/index.html%00.txt",
          "/sub%5c..%5c..%5csecret"}) {
        INFO(target);
        const auto answer = f.ask({"GET", target});
        CHECK((answer.status == 404 || answer.status == 308));
        CHECK(answer.body.find("secret") == std::string::npos);
        CHECK_FALSE(answer.fields.get("Location").starts_with("//"));
    }
}

TEST_CASE("a file has its type, which nobody guesses, and its validators") {
    fixture f;
    const auto answer = f.ask({"GET", "/a%20b.TXT"});
    CHECK(answer.fields.get("Content-Type") == "text/plain; charset=utf-8");
    CHECK(answer.fields.get("X-Content-Type-Options") == "nosniff");
    CHECK(answer.fields.get("Accept-Ranges") == "bytes");
    CHECK(f.ask({"GET", "/big.bin"}).fields.get("Content-Type") == "application/octet-stream");
    static_files_options options;
    options.types["bin"] = "application/x-big";
    options.cache_control = "max-age=60";
    const auto own = f.ask({"GET", "/big.bin"}, options);
    CHECK(own.fields.get("Content-Type") == "application/x-big");
    CHECK(own.fields.get("Cache-Control") == "max-age=60");

    request again{"GET", "/a%20b.TXT"};
    again.fields.set("If-None-Match", answer.fields.get("ETag"));
    const auto same = f.ask(again);
    CHECK(same.status == 304);
    CHECK(same.body.empty());
    CHECK(same.fields.get("ETag") == answer.fields.get("ETag"));
    f.put("a b.TXT", "another text");
    CHECK(f.ask(again).status == 200);
    request matching{"GET", "/a%20b.TXT"};
    matching.fields.set("If-Match", "\"other\"");
    CHECK(f.ask(matching).status == 412);
}

TEST_CASE("a range of a file is given, also of a large one") {
    fixture f;
    request asked{"GET", "/big.bin"};
    asked.fields.set("Range", "bytes=199990-");
    const auto part = f.ask(asked);
    CHECK(part.status == 206);
    CHECK(part.fields.get("Content-Range") == "bytes 199990-199999/200000");
    CHECK(part.body == std::string(10, 'b'));
    asked.fields.set("Range", "bytes=1-150000");
    CHECK(f.ask(asked).body.size() == 150'000);
    asked.method = "HEAD";  // for which RFC 9110, section 14.2, has no ranges
    CHECK(f.ask(asked).producer_size == 200'000);
    asked.method = "GET";
    asked.fields.set("Range", "bytes=200000-");
    const auto beyond = f.ask(asked);
    CHECK(beyond.status == 416);
    CHECK(beyond.fields.get("Content-Range") == "bytes */200000");
}

TEST_CASE("files are read and not written: other methods are refused") {
    fixture f;
    const auto refused = f.ask({"POST", "/"});
    CHECK(refused.status == 405);
    CHECK(refused.fields.get("Allow") == "GET, HEAD");
    CHECK(f.ask({"HEAD", "/"}).status == 200);
}

TEST_CASE("a wildcard named path is the path") {
    fixture f;
    mux m;
    m.handle("/docs/{path...}", static_files(f.root.string()));
    CHECK(test::run_io(m.answer({"GET", "/docs/sub/"})).body == "<p>sub");
    CHECK(test::run_io(m.answer({"GET", "/docs/"})).body == "<p>home");
    CHECK(test::run_io(m.answer({"GET", "/docs/sub"})).fields.get("Location") == "/docs/sub/");
    CHECK(test::run_io(m.answer({"GET", "/docs/..%2f..%2fsecret"})).status == 404);
}

TEST_CASE("a folder that cannot be opened is refused by name, and a file that shrinks cuts its answer") {
    fixture f;
    try {
        static_files(f.folder.file("none"));
        FAIL("it was taken");
    } catch (const error& e) {
        CHECK(e.code() == errc::invalid_options);
        CHECK(std::string_view{e.what()}.find("none") != std::string_view::npos);
    }
    mux m;
    m.handle("/", static_files(f.root.string()));
    const auto answer = test::run_io(m.answer({"GET", "/big.bin"}));
    fs::resize_file(f.root / "big.bin", 100'000);
    collected into;
    CHECK_THROWS_AS(test::run_io(answer.producer(into)), error);
    CHECK(into.text.size() == 100'000);
}
