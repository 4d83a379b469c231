#pragma once

#include <chrono>
#include <cstddef>
#include <memory>
#include <string>

#include <asio/any_io_executor.hpp>

#include <evercert/clock.hpp>
#include <evercert/disk.hpp>
#include <evercert/store.hpp>

namespace evercert {

struct file_store_options {
    std::shared_ptr<evercert::clock> clock = system_clock();
    std::shared_ptr<evercert::disk> disk = system_disk();
    /// For file I/O. None = threads of the store's own, started at first use: one that reads, so that a handshake
    /// never waits behind an fsync or a list of all keys, one that lists, and one that writes. With an executor of several threads saves run side by side, and
    /// the file system syncs them together.
    asio::any_io_executor blocking_executor = {};
    /// How often a lock that another process holds is asked for: an order takes a second or more, so nobody notices.
    std::chrono::milliseconds lock_poll{100};
    /// `list()` of more is an error: then something else writes to the folder.
    std::size_t keys_max = 1'000'000;
};

/// A store in a folder of PEM and JSON files that people and other programs can read. For any number of processes on one
/// machine, and of managers in one process:
///
///     options.store = evercert::file_store("/var/lib/evercert");
///
/// *Layout*: `certificates/example.com.pem` is one file, so that it is replaced as a whole: a line `evercert: {…}` with
/// what else is known of it, the private key, the chain. nginx takes it as `ssl_certificate` and as
/// `ssl_certificate_key`, HAProxy as `crt`; OpenSSL, curl and Go skip the first line. With another key than P-256 it is
/// `example.com:rsa.pem` or `example.com:p384.pem`. Every other value is `KEY.json`.
/// A PEM file that was put there without that first line is read, too: a key that is not encrypted, the certificate,
/// its issuers; its names are the certificate's. `*` stands in the names of wildcard certificates: quote it in a shell. A
/// name too long for a file name is replaced by `=` and a hash, and the file says the key.
/// `previous/` has the generation before of each file, `locks/` what is locked now and by whom, `writing/` what
/// is being written. `remove()` takes the previous generation away, too.
///
/// *Permissions*: folders have mode 0700, files 0600. A folder that others may write to is refused, and so is
/// one of another user's unless that is root or this process is. Symbolic links inside are refused.
///
/// *Durability*: a value is written beside, synced and renamed, so after `kill -9`, a full disk or a power cut a file is
/// there whole, as it is or as it was. A damaged file is an error (`errc::state_damaged`) that names it, never
/// silently none; the next `save` keeps it as the previous generation.
///
/// *Locks*: `flock(2)` on a file per lock. The kernel ends it with the process, so a crash leaves no lock behind. A lease
/// ends by `unlock()`, with its process, or with the time it was taken for. Other processes learn of that last end
/// when this one next locks, unlocks or saves something: one that is stopped (SIGSTOP, a paused container) keeps
/// its locks until it goes on or dies, and nobody ever shares a lock with it. `save` throws `errc::lock_lost` unless
/// that very lease is in force, in the store object that gave it: not unlocked, not past `expires`, and its lock
/// file not deleted by others. Tokens grow from lease to lease, over restarts too. A child of fork() without exec() keeps
/// its parent's locks as long as it lives.
///
/// *File systems*: must have flock, as ext4, XFS, btrfs, ZFS and tmpfs do. NFS has it, but other machines see
/// files late: use a store made for fleets there.
///
/// *Threads*: thread-safe. *Cancellation* leaves no lock, no descriptor and no half file behind; what has reached
/// the disk's thread is done to its end first. *Lifetime*: the io_context of those who wait must outlive what is in
/// progress; see `store::settle()`.
///
/// Creates the folder if its parent exists, checks it and removes what killed processes left, at once. Throws `error`:
/// `errc::invalid_options`, or `errc::store_failed` with the path, the reason and what to do.
std::shared_ptr<store> file_store(std::string folder, file_store_options = {});

}  // namespace evercert
