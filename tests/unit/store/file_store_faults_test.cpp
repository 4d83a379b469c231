#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>

#include "file_store_fixture.hpp"
#include "resource_limits.hpp"

using namespace evercert;
using namespace std::chrono_literals;
using Catch::Matchers::ContainsSubstring;
using fixture = test::file_store_fixture;
using test::certificate_value;
using test::failure;
namespace json = boost::json;

namespace {

/// A user who is not root, for the tests of permissions.
class as_nobody {
public:
    as_nobody() {
        if (::geteuid() == 0)
            switched_ = ::seteuid(nobody) == 0;
    }
    ~as_nobody() {
        if (switched_)
            CHECK(::seteuid(0) == 0);
    }
    as_nobody(const as_nobody&) = delete;

    static constexpr uid_t nobody = 65534;

private:
    bool switched_ = false;
};

/// A disk of a few pages, where the system lets us have one.
class small_disk {
public:
    explicit small_disk(std::string at) : at_{std::move(at)} {
        ::mkdir(at_.c_str(), 0700);
        mounted_ = ::mount("none", at_.c_str(), "tmpfs", 0, "size=64k,mode=0700") == 0;
    }
    ~small_disk() {
        if (mounted_)
            ::umount2(at_.c_str(), MNT_DETACH);
    }
    small_disk(const small_disk&) = delete;
    bool mounted() const { return mounted_; }
    void make_read_only() { REQUIRE(::mount("none", at_.c_str(), "tmpfs", MS_REMOUNT | MS_RDONLY, nullptr) == 0); }

private:
    std::string at_;
    bool mounted_ = false;
};

}  // namespace

TEST_CASE("a folder that others can write to, of another user, or without a parent is refused with what to do") {
    fixture f;
    std::filesystem::create_directory(f.root());
    for (const auto mode : {0770, 0702}) {
        ::chmod(f.root().c_str(), static_cast<mode_t>(mode));
        CHECK_THAT(failure([&] { f.open(); }), ContainsSubstring("chmod go-w " + f.root()));
    }
    ::chmod(f.root().c_str(), 0755);
    CHECK_NOTHROW(f.open());
    ::chmod(f.path("locks").c_str(), 0777);
    CHECK_THAT(failure([&] { f.open(); }), ContainsSubstring("chmod go-w " + f.path("locks")));
    CHECK_THAT(failure([&] { file_store(f.path("no/parent")); }), ContainsSubstring("no/parent"));
    CHECK_THAT(failure([&] { file_store(""); }, errc::invalid_options), ContainsSubstring("name a folder"));
    test::write_all_to(f.path("file"), "");
    CHECK_THAT(failure([&] { file_store(f.path("file")); }), ContainsSubstring("Not a directory"));
    if (::geteuid() != 0) {
        WARN("not root: a folder of another user's is not tried");
        return;
    }
    test::temp_folder others;
    REQUIRE(::chown(others.path().c_str(), 1, 1) == 0);
    ::chmod(others.path().c_str(), 0755);
    CHECK_NOTHROW(file_store(others.path().string()));
    const as_nobody unprivileged;
    CHECK_THAT(failure([&] { file_store(others.path().string()); }), ContainsSubstring("chown"));
}

TEST_CASE("a folder that may not be written is an error that names it, and what is there can be read") {
    fixture f;
    if (::geteuid() == 0) {
        REQUIRE(::chown(f.folder.path().c_str(), as_nobody::nobody, as_nobody::nobody) == 0);
    }
    const as_nobody unprivileged;
    auto store = f.open();
    f.save(*store, "certificates/a.test", {{"n", 1}});
    ::chmod(f.path("certificates").c_str(), 0500);
    CHECK_THAT(
        failure([&] { f.save(*store, "certificates/a.test", {{"n", 2}}); }),
        ContainsSubstring(f.path("certificates/a.test.json: Permission denied")));
    CHECK(f.load(*store, "certificates/a.test") == json::object{{"n", 1}});
    CHECK(f.files("writing").empty());
    ::chmod(f.path("certificates").c_str(), 0700);
    ::chmod(f.root().c_str(), 0500);
    CHECK_THAT(failure([&] { f.open(); }), ContainsSubstring("cannot write to the folder " + f.root()));
    ::chmod(f.root().c_str(), 0700);
}

TEST_CASE("a file that root put into another user's folder is replaced like any other") {
    fixture f;
    if (::geteuid() != 0) {
        WARN("not root, and nobody else can put such a file there: skipped");
        return;
    }
    REQUIRE(::chown(f.folder.path().c_str(), as_nobody::nobody, as_nobody::nobody) == 0);
    std::shared_ptr<store> store;
    {
        const as_nobody unprivileged;
        store = f.open();
        std::filesystem::create_directory(f.path("certificates"));
    }
    const auto value = certificate_value({"a.test"});
    const auto mine = std::string{value.at("chain").as_string()} + std::string{value.at("key").as_string()};
    test::write_all_to(f.path("certificates/a.test.pem"), mine);
    ::chmod(f.path("certificates/a.test.pem").c_str(), 0644);
    const as_nobody unprivileged;
    CHECK(f.load(*store, "certificates/a.test").at("chain") == value.at("chain"));
    f.save(*store, "certificates/a.test", value);
    CHECK(f.load(*store, "certificates/a.test") == value);
    CHECK(test::read_all(f.path("previous/certificates/a.test.pem")) == mine);
    CHECK(f.files("writing").empty());
}

TEST_CASE("a file that may not grow is an error, and what was there stays, whole") {
    fixture f;
    auto store = f.open();
    const auto first = certificate_value({"a.test"});
    f.save(*store, "certificates/a.test", first);
    const auto before = f.files();
    {
        const test::file_size_limit full{100};
        CHECK_THAT(
            failure([&] { f.save(*store, "certificates/a.test", certificate_value({"a.test"})); }),
            ContainsSubstring(f.path("writing/")));
    }
    CHECK(f.load(*store, "certificates/a.test") == first);
    CHECK(f.files() == before);
    const auto second = certificate_value({"a.test"});
    f.save(*store, "certificates/a.test", second);
    CHECK(f.load(*f.open(), "certificates/a.test") == second);
}

TEST_CASE("a disk that is full or read-only is an error that says so, and what was there stays, whole") {
    fixture f;
    small_disk disk{f.root()};
    if (!disk.mounted()) {
        WARN("not root, or not allowed to mount: skipped");
        return;
    }
    auto store = f.open();
    std::string text(8 << 10, 'x');
    f.save(*store, "a", {{"text", text}});
    std::string full;
    for (int i = 0; i < 20 && full.empty(); ++i)
        try {
            f.save(*store, "b" + std::to_string(i), {{"text", text}});
        } catch (const error& e) {
            full = e.what();
        }
    CHECK_THAT(full, ContainsSubstring("No space left on device; free some space"));
    const auto before = f.files();
    text = std::string(8 << 10, 'y');
    CHECK_THAT(failure([&] { f.save(*store, "a", {{"text", text}}); }), ContainsSubstring("No space left"));
    CHECK(f.load(*store, "a").at("text").as_string() == std::string(8 << 10, 'x'));
    CHECK(f.files() == before);
    f.run(store->unlock(f.run(store->lock("a", 10s))));

    disk.make_read_only();
    CHECK_THAT(failure([&] { f.save(*store, "a", {{"n", 1}}); }), ContainsSubstring("mount it for writing"));
    CHECK_THAT(failure([&] { f.run(store->lock("a", 10s)); }), ContainsSubstring("Read-only"));
    CHECK(f.load(*store, "a").at("text").as_string() == std::string(8 << 10, 'x'));
    store = f.open();
    CHECK(f.load(*store, "a").at("text").as_string() == std::string(8 << 10, 'x'));
    CHECK_THAT(failure([&] { f.run(store->lock("a", 10s)); }), ContainsSubstring("mount it for writing"));
}

TEST_CASE("a process without descriptors gets an error that says so, and no lock") {
    fixture f;
    auto store = f.open();
    f.save(*store, "hosts", {{"n", 1}});
    // A sanitizer opens a pipe when it meets a type for the first time.
    f.run(store->unlock(f.run(store->lock("hosts", 1s))));
    f.run(store->list(""));
    {
        const test::open_file_limit none;
        CHECK_THAT(failure([&] { f.run(store->load("hosts")); }), ContainsSubstring("ulimit -n"));
        CHECK_THAT(failure([&] { f.run(store->save("hosts", "{}")); }), ContainsSubstring("ulimit -n"));
        CHECK_THAT(failure([&] { f.run(store->lock("hosts", 1s)); }), ContainsSubstring("ulimit -n"));
        CHECK_THAT(failure([&] { f.run(store->list("")); }), ContainsSubstring("ulimit -n"));
    }
    CHECK(f.load(*store, "hosts") == json::object{{"n", 1}});
    f.run(store->lock("hosts", 1s));
}
