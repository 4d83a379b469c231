// How a site's server ends and begins again.

#include <stdexcept>

#include <fmt/format.h>

#include <evercert/error.hpp>

#include "manager/records.hpp"
#include "site.hpp"

namespace simulation {

namespace {

using namespace std::chrono_literals;
using namespace evercert;

/// A service manager starts a server that could not start again after so long.
constexpr duration start_again = 10min;
/// A disk is not broken, full or read-only for longer than some days, one fault after the other included: who cannot start for
/// this long never can.
constexpr duration start_longest = std::chrono::days{60};
constexpr const char* cannot_start = "the server cannot start";
/// A power cut comes in the middle of one of the next operations of the disk.
constexpr std::uint64_t operations_before_cut = 60;

}  // namespace

void site::stop(end_type how_it_ends) {
    look_at_plans();
    // By a clock that is wrong the next process takes what failed for over.
    if (disk_fails > 0 || server.clock()->wall() != world.time().now())
        promises_.forget();
    else if (how_it_ends != end_type::stop)
        promises_.killed(world.time().now());
    for (const auto& each : manager_->status().certificates)
        if (!each.saved)
            for (const auto& name : each.names)
                unsaved_.insert(name.value());
    if (how_it_ends != end_type::stop) {
        disk.kill(process_);
        world.network().reset(server.address());
    }
    manager_->stop();
    world.time().pass(5s);
    manager_.reset();
    tasks_.reset();
    // What was saved in the last moments was saved.
    if (how_it_ends == end_type::power_cut) {
        disk.restart();
        disk.fail(disk_fault_);
        world.network().heal(server.address());
    }
}

void site::fail_disk(testing::simulated_disk::fault how_it_fails, std::uint64_t after) {
    disk_fault_ = how_it_fails;
    disk.fail(how_it_fails, after);
}

void site::restart(end_type how_it_ends) {
    if (how_it_ends == end_type::power_cut) {
        // Nothing leaves a machine without power, not even in the moment in which the disk stops.
        disk.crash_after(world.draw() % operations_before_cut, [this] { world.network().cut(server.address()); });
        world.time().run_until([this] { return disk.is_off(); }, std::chrono::days{2});
    }
    world.note(how_it_ends == end_type::stop ? "restart" : how_it_ends == end_type::kill ? "killed" : "power cut");
    stop(how_it_ends);
    begin_again();
}

void site::restart_without(const std::string& name) {
    world.note(fmt::format("somebody deletes the certificate for {}", name));
    stop(end_type::stop);
    const bool removed = remove_certificate(name);
    begin_again();
    // Its clients come back, and until one has it nobody is to blame but who deleted it.
    if (removed)
        clients_.spawn(visit(*this, name, false));
}

bool site::remove_certificate(const std::string& name) {
    process_ = disk.process();
    try {
        world.time().run(open_store()->remove(std::string{certificates_prefix} + name));
    } catch (const error&) {
        world.note("that cannot be deleted");
        return false;
    }
    const auto now = world.time().now();
    newest_.erase(name);
    unsaved_.erase(name);
    trouble_begins("a certificate is deleted");
    account.published(name, now, now);
    trouble_ends("a certificate is deleted");
    return true;
}

void site::begin_again() {
    turns_.restarted();
    promised_end_.end();
    const auto begin = world.time().elapsed();
    const bool starts = start();
    if (!starts)
        trouble_begins(cannot_start);
    for (bool started = starts; !started; started = start()) {
        if (world.time().elapsed() - begin > start_longest)
            throw std::runtime_error{"the server could not start for longer than anything is wrong with its disk"};
        world.time().pass(start_again);
    }
    if (!starts)
        trouble_ends(cannot_start, {.disk_alone = true});
    world.time().pass(10s);
    check_kept();
    look_at_plans();
}

}  // namespace simulation
