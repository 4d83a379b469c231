#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <system_error>
#include <vector>

#include <evercert/disk.hpp>

namespace evercert::testing {

/// The disk of a machine, in memory, which can be full, read-only, broken or without locks, and whose machine can lose its
/// power after any operation. For tests of what keeps things on a `disk`:
///
///     simulated_disk machine{std::mt19937_64{seed}};
///     machine.create_folder("/var/lib");
///     machine.crash_after(7);
///     run_until_it_fails({.disk = machine.process()});
///     machine.restart();
///     check_what_is_left({.disk = machine.process()});
///
/// *What survives a crash*: what was synced. The rest is drawn from `random`, each operation by itself: a write that no
/// `sync()` of its file followed may be there, lost, or torn (its beginning alone, or zeros where blocks did not arrive);
/// a name that was created, renamed, linked or removed is as it was before or after, unless its folder was synced. A
/// rename between folders can leave both names and never none. Without `random` all of it is lost. That is what POSIX
/// promises: journals keep the order too, and nothing may count on it. The kernel writes back by itself what is
/// older than the last `unsynced_max` such operations of a file, or of all names.
///
/// *Operations* are what changes something: to create a file or a folder, each piece of a write (`write_max` bytes), to
/// clear, to sync, to rename, link or remove. They count when they succeed; looking, reading and locking never do.
///
/// *Processes* see one disk, each by its own `process()`, and have flock(2) between them. One that was killed, and all of
/// those of before a crash, get `std::errc::io_error` for whatever they still try, and nothing of it happens: what a
/// test unwinds of them does no harm.
///
/// Paths have no "..", there are no symbolic links, and everything belongs to one user. Same `random`, same calls: the
/// same disk, to the byte. Thread-safe; not to be called from `random`. What `process()` gives may outlive it.
class simulated_disk {
public:
    /// Asked for numbers that use all 64 bits. None: the worst case.
    using random_source = std::function<std::uint64_t()>;

    /// With the folders "/" and "/tmp".
    explicit simulated_disk(random_source random = {});
    ~simulated_disk();
    simulated_disk(const simulated_disk&) = delete;
    simulated_disk& operator=(const simulated_disk&) = delete;

    /// A process that starts on the machine.
    std::shared_ptr<disk> process();
    /// It dies alone: its open files are closed, its locks end, and what it wrote is in the kernel's hands.
    void kill(const std::shared_ptr<disk>& process);

    /// The nth operation from now is the last that happens: then the machine is off, and `then` is called. 0 = now. What else
    /// the machine has, such as its network, is off from this moment if `then` sees to it; it must not call this disk.
    void crash_after(std::uint64_t n, std::function<void()> then = {});
    /// True from the crash to `restart()`.
    bool is_off() const;
    enum class outage {
        power,      ///< what is not durable is drawn
        processes,  ///< all processes were killed at once, the kernel goes on
    };
    /// As the machine finds its disk afterwards: no locks, no open files, no fault, no process of before. A machine that
    /// is on crashes first.
    void restart(outage = outage::power);

    /// Operations that happened since the beginning.
    std::uint64_t operations() const;

    enum class fault {
        none,
        full,       ///< ENOSPC for what needs room: creating, writing, linking, renaming, syncing; not removing
        read_only,  ///< EROFS for each operation
        broken,     ///< EIO for each operation and for reading; what could not be synced is never durable
    };
    /// From the nth operation from now on, 0 = from the next, until the next call.
    void fail(fault, std::uint64_t after = 0);
    /// Files may grow by so many bytes in all, then ENOSPC; what is removed or cleared makes no room. None = no limit.
    void room(std::optional<std::uint64_t> bytes);
    /// False: the file system has no flock, ENOLCK.
    void has_locks(bool);
    /// False: it has no hard links, EPERM.
    void has_links(bool);

    // What a person at the machine does. None of it is an operation, and all of it is durable. They throw
    // `std::system_error`.

    /// With those above it that are missing.
    void create_folder(const std::string& path);
    /// Replaces what is there.
    void put(const std::string& path, std::string content);
    /// As programs see it now. Nothing if there is no such file.
    std::optional<std::string> content(const std::string& path) const;
    /// Paths of the files below a folder, those with a dot too, in order.
    std::vector<std::string> files(const std::string& path = "/") const;

    /// The piece of a longer write that is taken at once, and can be torn from the next.
    static constexpr std::size_t write_max = 4096;
    /// Blocks of a write that arrive, or not.
    static constexpr std::size_t block_size = 512;
    static constexpr std::size_t unsynced_max = 1000;

    class machine;

private:
    std::shared_ptr<machine> machine_;
};

}  // namespace evercert::testing
