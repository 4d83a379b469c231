#include <random>
#include <set>

#include <evercert/error.hpp>
#include <evercert/testing/simulated_disk.hpp>

#include "catch.hpp"

using namespace evercert;
using evercert::testing::simulated_disk;
using fault = simulated_disk::fault;
using outage = simulated_disk::outage;

namespace {

/// A process's calls, with the error of the last one.
struct hand {
    explicit hand(simulated_disk& machine) : disk{machine.process()}, at{disk->open_folder("/tmp", failed)} {}

    std::unique_ptr<disk_file> create(const std::string& name) { return at->open_file(name, file_use::create, failed); }
    void write(const std::string& name, std::string_view text, bool synced = false) {
        const auto file = at->open_file(name, file_use::update, failed);
        if (!file)
            return;
        file->write(0, text, failed);
        if (synced)
            file->sync(failed);
    }
    void sync() { at->sync(failed); }

    std::error_code failed;
    std::shared_ptr<evercert::disk> disk;
    std::unique_ptr<disk_folder> at;
};

/// What is in /tmp after a power cut, over many seeds.
template <typename Work>
std::set<std::string> outcomes(const std::string& path, Work work) {
    std::set<std::string> found;
    for (unsigned seed = 0; seed < 200; ++seed) {
        simulated_disk machine{std::mt19937_64{seed}};
        hand of{machine};
        work(of);
        machine.restart();
        found.insert(machine.content(path).value_or("none"));
    }
    return found;
}

}  // namespace

TEST_CASE("what was synced survives a power cut, and in the worst case nothing else") {
    simulated_disk machine;
    hand self{machine};
    self.write("kept", "kept", true);
    self.write("empty", "unsynced");
    self.sync();
    self.write("nameless", "synced", true);
    CHECK(machine.files() == std::vector<std::string>{"/tmp/empty", "/tmp/kept", "/tmp/nameless"});
    machine.restart();
    CHECK(machine.files() == std::vector<std::string>{"/tmp/empty", "/tmp/kept"});
    CHECK(machine.content("/tmp/kept") == "kept");
    CHECK(machine.content("/tmp/empty") == "");
}

TEST_CASE("what was not synced is there, lost or torn, as the seed has it") {
    const std::string old(1024, 'o'), fresh(1024, 'n');
    const auto found = outcomes("/tmp/a", [&](hand& self) {
        self.write("a", old, true);
        self.sync();
        self.write("a", fresh);
    });
    CHECK(found.contains(old));
    CHECK(found.contains(fresh));
    CHECK(found.contains(old.substr(0, 512) + fresh.substr(0, 512)));
    CHECK(found.contains(fresh.substr(0, 512) + old.substr(0, 512)));
    CHECK(found.size() > 10);  // beginnings of any length
    CHECK(outcomes("/tmp/a", [&](hand& self) {
              self.write("a", old, true);
              self.sync();
              self.write("a", fresh, true);
          }) == std::set<std::string>{fresh});
}

TEST_CASE("a rename that was not synced has happened or not, and replaces at once") {
    const auto replace = [](hand& self) {
        self.write("a", "old", true);
        self.sync();
        self.write("b", "new", true);
        self.at->rename("b", *self.at, "a", self.failed);
    };
    CHECK(outcomes("/tmp/a", replace) == std::set<std::string>{"old", "new"});
    CHECK(outcomes("/tmp/a", [&](hand& self) {
              replace(self);
              self.sync();
          }) == std::set<std::string>{"new"});
}

TEST_CASE("a file that is renamed into another folder has both names after a power cut, or one, never none") {
    std::set<std::vector<std::string>> found;
    for (unsigned seed = 0; seed < 100; ++seed) {
        simulated_disk machine{std::mt19937_64{seed}};
        machine.create_folder("/tmp/other");
        hand self{machine};
        self.write("a", "text", true);
        self.sync();
        const auto other = self.at->open_folder("other", self.failed);
        self.at->rename("a", *other, "b", self.failed);
        if (seed % 2 == 0)
            self.sync();
        machine.restart();
        found.insert(machine.files());
        if (seed % 2 == 0)
            CHECK(machine.files() == std::vector<std::string>{"/tmp/other/b"});
    }
    CHECK(found == std::set<std::vector<std::string>>{{"/tmp/a"}, {"/tmp/a", "/tmp/other/b"}, {"/tmp/other/b"}});
}

TEST_CASE("a removal or a link that was not synced may not have happened") {
    const auto made = [](hand& self) {
        self.write("a", "text", true);
        self.sync();
    };
    CHECK(outcomes("/tmp/a", [&](hand& self) {
              made(self);
              self.at->remove("a", self.failed);
          }) == std::set<std::string>{"none", "text"});
    CHECK(outcomes("/tmp/b", [&](hand& self) {
              made(self);
              self.at->link("a", *self.at, "b", self.failed);
          }) == std::set<std::string>{"none", "text"});
}

TEST_CASE("the same seed and calls give the same disk") {
    const auto run = [](unsigned seed) {
        simulated_disk machine{std::mt19937_64{seed}};
        hand self{machine};
        for (int i = 0; i < 20; ++i)
            self.write("f" + std::to_string(i), std::string(3000, static_cast<char>('a' + i)));
        machine.restart();
        std::string all;
        for (const auto& path : machine.files())
            all += path + *machine.content(path);
        return all;
    };
    CHECK(run(1) == run(1));
    CHECK(run(1) != run(2));
}

TEST_CASE("the nth operation is the last, and nothing works until the restart, nor ever for those of before") {
    simulated_disk machine;
    hand self{machine};
    int turned_off = 0;
    machine.crash_after(2, [&] { ++turned_off; });
    self.write("a", "text", true);  // created, written, and no more
    CHECK(machine.is_off());
    CHECK(turned_off == 1);
    CHECK(machine.operations() == 2);
    CHECK(self.failed == std::errc::io_error);
    CHECK_FALSE(self.disk->open_folder("/tmp", self.failed));
    machine.restart();
    CHECK_FALSE(machine.is_off());
    self.write("b", "text");
    CHECK(self.failed == std::errc::io_error);
    CHECK(machine.files().empty());
    hand next{machine};
    next.write("b", "text");
    CHECK(machine.content("/tmp/b") == "text");
}

TEST_CASE("a killed process leaves what it wrote and none of its locks, and the others go on") {
    simulated_disk machine;
    hand first{machine}, second{machine};
    const auto ours = first.create("a");
    ours->write(0, "text", first.failed);
    CHECK(ours->try_lock(first.failed));
    const auto theirs = second.at->open_file("a", file_use::read, second.failed);
    CHECK(second.at->has("a", *theirs));
    CHECK_FALSE(theirs->try_lock(second.failed));
    CHECK_FALSE(second.failed);
    machine.kill(first.disk);
    CHECK(theirs->try_lock(second.failed));
    ours->write(0, "more", first.failed);
    CHECK(first.failed == std::errc::io_error);
    CHECK(machine.content("/tmp/a") == "text");
    CHECK_THROWS_AS(machine.kill(system_disk()), error);

    machine.restart(outage::processes);
    CHECK(machine.content("/tmp/a") == "text");
    hand third{machine};
    CHECK(third.at->open_file("a", file_use::read, third.failed)->try_lock(third.failed));
    machine.restart();
    CHECK(machine.files().empty());
}

TEST_CASE("a lock is its open file's, and ends with it") {
    simulated_disk machine;
    hand self{machine};
    auto first = self.create("a");
    const auto second = self.at->open_file("a", file_use::read, self.failed);
    CHECK(first->try_lock(self.failed));
    CHECK(first->try_lock(self.failed));
    CHECK_FALSE(second->try_lock(self.failed));
    first.reset();
    CHECK(second->try_lock(self.failed));
    machine.has_locks(false);
    CHECK_FALSE(second->try_lock(self.failed));
    CHECK(self.failed == std::errc::no_lock_available);
}

TEST_CASE("a file system without hard links says so, and links nothing") {
    simulated_disk machine;
    hand self{machine};
    self.write("a", "text");
    machine.has_links(false);
    self.at->link("a", *self.at, "b", self.failed);
    CHECK(self.failed == std::errc::operation_not_permitted);
    self.at->link("none", *self.at, "b", self.failed);
    CHECK(self.failed == std::errc::no_such_file_or_directory);
    CHECK_FALSE(machine.content("/tmp/b"));
    machine.has_links(true);
    self.at->link("a", *self.at, "b", self.failed);
    CHECK_FALSE(self.failed);
}

TEST_CASE("a disk that is full, read-only or broken says so, from the operation on that it is told") {
    simulated_disk machine;
    hand self{machine};
    self.write("a", "text");
    machine.fail(fault::full, 1);
    CHECK(self.create("b"));
    CHECK_FALSE(self.create("c"));
    CHECK(self.failed == std::errc::no_space_on_device);
    self.at->create_folder("b", self.failed);
    CHECK(self.failed == std::errc::file_exists);
    self.at->remove("b", self.failed);
    CHECK_FALSE(self.failed);
    machine.fail(fault::read_only);
    self.at->remove("a", self.failed);
    CHECK(self.failed == std::errc::read_only_file_system);
    self.at->check_writable(self.failed);
    CHECK(self.failed == std::errc::read_only_file_system);
    CHECK(self.at->open_file("a", file_use::read, self.failed));
    machine.fail(fault::broken);
    CHECK_FALSE(self.at->open_file("a", file_use::read, self.failed));
    CHECK(self.failed == std::errc::io_error);
    machine.fail(fault::none);
    CHECK(machine.files() == std::vector<std::string>{"/tmp/a"});
}

TEST_CASE("a disk takes as much as there is room for") {
    simulated_disk machine;
    hand self{machine};
    machine.room(6);
    const auto file = self.create("a");
    CHECK(file->write(0, "12345678", self.failed) == 6);
    CHECK(file->write(6, "78", self.failed) == 0);
    CHECK(self.failed == std::errc::no_space_on_device);
    CHECK(file->write(0, "abcdef", self.failed) == 6);
    machine.room(std::nullopt);
    CHECK(file->write(6, std::string(9000, 'x'), self.failed) == simulated_disk::write_max);
}

TEST_CASE("what could not be synced is not durable because a later sync says so") {
    simulated_disk machine;
    hand self{machine};
    const auto file = self.create("a");
    self.sync();
    file->write(0, "lost", self.failed);
    machine.fail(fault::broken);
    file->sync(self.failed);
    CHECK(self.failed == std::errc::io_error);
    machine.fail(fault::none);
    file->sync(self.failed);
    CHECK_FALSE(self.failed);
    CHECK(machine.content("/tmp/a") == "lost");
    machine.restart();
    CHECK(machine.content("/tmp/a") == "");
}

TEST_CASE("what was put there by hand is durable, and errors are those of a file system") {
    simulated_disk machine;
    machine.create_folder("/var/lib/x");
    machine.put("/var/lib/x/.hidden", "1");
    machine.put("/var/lib/x/a", "2");
    machine.restart();
    CHECK(machine.files("/var") == std::vector<std::string>{"/var/lib/x/.hidden", "/var/lib/x/a"});
    CHECK_THROWS_AS(machine.put("/none/a", ""), std::system_error);
    CHECK_THROWS_AS(machine.content("/var"), std::system_error);

    hand self{machine};
    const auto folder = self.disk->open_folder("/var/lib/x", self.failed);
    CHECK(folder->entries(10, self.failed).size() == 1);
    CHECK(folder->entries(0, self.failed).size() <= 1);
    CHECK(self.failed == std::errc::value_too_large);
    CHECK_FALSE(folder->open_file("a", file_use::create, self.failed));
    CHECK(self.failed == std::errc::file_exists);
    CHECK_FALSE(folder->open_folder("a", self.failed));
    CHECK(self.failed == std::errc::not_a_directory);
    CHECK_FALSE(self.disk->open_file("/var/none", self.failed));
    CHECK(self.failed == std::errc::no_such_file_or_directory);
    self.disk->create_folder("/var/lib/x", self.failed);
    CHECK(self.failed == std::errc::file_exists);
}
