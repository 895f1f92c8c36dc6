// fdatasync and directory fsync, one by one or many with one system call.
#include <fcntl.h>
#include <sys/stat.h>

#include <vector>

#include "napi_util.h"

#if defined(__linux__)
#include <sys/utsname.h>
#include <sys/vfs.h>

#include <cstdio>
#endif

namespace stratalog {

int SyncData(int fd) {
  int result;
  do {
#if defined(__APPLE__)
    // fsync(2) leaves the data in the drive's cache there.
    result = fcntl(fd, F_FULLFSYNC);
    if (result != 0 && errno == ENOTSUP) result = fsync(fd);
#else
    result = fdatasync(fd);
#endif
  } while (result != 0 && errno == EINTR);
  return result == 0 ? 0 : errno;
}

namespace {

int SyncNamesOf(int directory) {
  int result;
  do {
    result = fsync(directory);
  } while (result != 0 && errno == EINTR);
  return result == 0 ? 0 : errno;
}

Descriptor OpenDirectory(const std::string& path) {
  return Descriptor(open(path.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
}

int SyncNames(const std::string& path) {
  Descriptor directory = OpenDirectory(path);
  return directory.valid() ? SyncNamesOf(directory.get()) : errno;
}

// One of the above on the thread pool, settling a promise.
struct SyncWork {
  int fd = -1;
  std::string path;
  int error = 0;
  napi_async_work work = nullptr;
  napi_deferred settled = nullptr;

  const char* syscall() const { return fd >= 0 ? "fdatasync" : "fsync"; }
};

void RunSync(napi_env, void* data) {
  SyncWork* work = static_cast<SyncWork*>(data);
  work->error = work->fd >= 0 ? SyncData(work->fd) : SyncNames(work->path);
}

// An environment that ends meanwhile refuses each of these calls; then nobody waits either.
void FinishSync(napi_env env, napi_status, void* data) {
  std::unique_ptr<SyncWork> work(static_cast<SyncWork*>(data));
  napi_value value = nullptr;
  if (work->error == 0) {
    if (napi_get_undefined(env, &value) == napi_ok) napi_resolve_deferred(env, work->settled, value);
  } else {
    value = CreateSystemError(env, work->error, work->syscall());
    if (value != nullptr) napi_reject_deferred(env, work->settled, value);
  }
  napi_delete_async_work(env, work->work);
}

// Queues `execute` on the thread pool. The promise, or null: then `complete` is never called.
napi_value Queue(napi_env env, const char* name, napi_async_execute_callback execute,
                 napi_async_complete_callback complete, void* data, napi_async_work* work,
                 napi_deferred* settled) {
  napi_value promise = nullptr;
  napi_value text = nullptr;
  bool is_queued = napi_create_string_utf8(env, name, NAPI_AUTO_LENGTH, &text) == napi_ok &&
                   napi_create_promise(env, settled, &promise) == napi_ok &&
                   napi_create_async_work(env, nullptr, text, execute, complete, data, work) ==
                       napi_ok &&
                   napi_queue_async_work(env, *work) == napi_ok;
  return is_queued ? promise : nullptr;
}

Napi::Value Enqueue(Napi::Env env, std::unique_ptr<SyncWork> work) {
  napi_value promise = Queue(env, "stratalog.sync", RunSync, FinishSync, work.get(), &work->work,
                             &work->settled);
  if (promise == nullptr) {
    ThrowSystemError(env, ENOMEM, work->syscall());
    return env.Undefined();
  }
  work.release();  // now FinishSync's
  return Napi::Value(env, promise);
}

// fdatasync(fd)
Napi::Value FdatasyncAsync(const Napi::CallbackInfo& info) {
  int fd = -1;
  if (!ReadDescriptor(info[0], "fd", &fd)) return info.Env().Undefined();
  auto work = std::make_unique<SyncWork>();
  work->fd = fd;
  return Enqueue(info.Env(), std::move(work));
}

// fdatasyncSync(fd)
Napi::Value FdatasyncSync(const Napi::CallbackInfo& info) {
  int fd = -1;
  if (!ReadDescriptor(info[0], "fd", &fd)) return info.Env().Undefined();
  ThrowUnlessZero(info.Env(), SyncData(fd), "fdatasync");
  return info.Env().Undefined();
}

bool ReadPath(const Napi::CallbackInfo& info, std::string* path) {
  if (!info[0].IsString()) {
    ThrowTypeError(info.Env(), "path");
    return false;
  }
  *path = info[0].As<Napi::String>().Utf8Value();
  return true;
}

// syncDirectory(path)
Napi::Value SyncDirectoryAsync(const Napi::CallbackInfo& info) {
  auto work = std::make_unique<SyncWork>();
  if (!ReadPath(info, &work->path)) return info.Env().Undefined();
  return Enqueue(info.Env(), std::move(work));
}

// syncDirectorySync(path)
Napi::Value SyncDirectorySync(const Napi::CallbackInfo& info) {
  std::string path;
  if (!ReadPath(info, &path)) return info.Env().Undefined();
  ThrowUnlessZero(info.Env(), SyncNames(path), "fsync");
  return info.Env().Undefined();
}

// ---- many at once

// A file or a directory that is to be made durable, and what came of it.
struct Member {
  int fd;
  bool is_directory;
  int error = 0;
  bool is_done = false;
};

int SyncOne(const Member& member) {
  return member.is_directory ? SyncNamesOf(member.fd) : SyncData(member.fd);
}

#if defined(__linux__)

// Fewer cost less one by one.
constexpr size_t kLeastTogether = 8;
// syncfs writes what all processes have left: more of it than this would keep those who wait here.
constexpr long kMostDirtyKiB = 512 * 1024;
// Of others it is not known, or is known not, that syncfs makes everything durable that fsync would:
// FUSE does not pass it on, overlayfs has the errors of another.
constexpr long kExt4Magic = 0xef53;
constexpr long kXfsMagic = 0x58465342;

// From Linux 5.8 on syncfs says when something could not be written back.
bool KernelTellsErrors() {
  utsname system;
  int major = 0;
  int minor = 0;
  if (uname(&system) != 0 || sscanf(system.release, "%d.%d", &major, &minor) != 2) return false;
  return major > 5 || (major == 5 && minor >= 8);
}

bool IsLittleDirty() {
  FILE* file = fopen("/proc/meminfo", "re");
  if (file == nullptr) return false;
  char line[128];
  long dirty = -1;
  long writeback = -1;
  while (fgets(line, sizeof line, file) != nullptr && (dirty < 0 || writeback < 0)) {
    sscanf(line, "Dirty: %ld", &dirty);
    sscanf(line, "Writeback: %ld", &writeback);
  }
  fclose(file);
  return dirty >= 0 && writeback >= 0 && dirty + writeback <= kMostDirtyKiB;
}

bool IsKnownFileSystem(int fd) {
  struct statfs found;
  if (fstatfs(fd, &found) != 0) return false;
  return found.f_type == kExt4Magic || found.f_type == kXfsMagic;
}

// Everything of the file system of `first`, which is a file if any is. It is synced once more, for the
// device's cache: syncfs flushes that before ext4 without a journal writes its directories, and XFS
// not at all when its own log is clean. False when nothing can be said of the others; `first` may have
// failed.
bool SyncFileSystemOf(Member* first) {
  if (!IsKnownFileSystem(first->fd) || !IsLittleDirty() || syncfs(first->fd) != 0) return false;
  first->error = SyncOne(*first);
  first->is_done = true;
  return first->error == 0;
}

// What fdatasync, or fsync of a directory, would say of pages written back before, without a word to
// the device.
int WritebackErrorOf(int fd) {
  return sync_file_range(fd, 0, 0, SYNC_FILE_RANGE_WAIT_BEFORE) == 0 ? 0 : errno;
}

bool IsWritebackError(int error) { return error == EIO || error == ENOSPC || error == EDQUOT; }

// Those on the file system of the first, if they are worth it. The rest is left undone. `members` are
// files, then directories.
void SyncMany(std::vector<Member>* members) {
  Member* first = nullptr;
  struct stat of_first = {};
  for (Member& member : *members) {
    if (member.is_done || fstat(member.fd, &of_first) != 0) continue;
    first = &member;
    break;
  }
  if (first == nullptr) return;
  std::vector<Member*> together;
  for (Member& member : *members) {
    struct stat found;
    if (member.is_done || fstat(member.fd, &found) != 0 || found.st_dev != of_first.st_dev) continue;
    together.push_back(&member);
  }
  if (together.size() < kLeastTogether || !SyncFileSystemOf(first)) return;
  for (Member* member : together) {
    if (member == first) continue;
    int error = WritebackErrorOf(member->fd);
    // Where the call itself is refused, its own sync says it.
    if (error != 0 && !IsWritebackError(error)) continue;
    member->error = error;
    member->is_done = true;
  }
}

#else

bool KernelTellsErrors() { return false; }
void SyncMany(std::vector<Member>*) {}

#endif

struct ManyWork {
  std::vector<int> fds;
  std::vector<std::string> paths;
  std::vector<Member> members;  // files, then directories
  napi_async_work work = nullptr;
  napi_deferred settled = nullptr;
};

void RunMany(napi_env, void* data) {
  ManyWork* work = static_cast<ManyWork*>(data);
  std::vector<Descriptor> directories;
  for (int fd : work->fds) work->members.push_back({fd, false});
  for (const std::string& path : work->paths) {
    directories.push_back(OpenDirectory(path));
    int error = directories.back().valid() ? 0 : errno;
    work->members.push_back({directories.back().get(), true, error, error != 0});
  }
  SyncMany(&work->members);
  for (Member& member : work->members) {
    if (!member.is_done) member.error = SyncOne(member);
  }
}

void FinishMany(napi_env env, napi_status, void* data) {
  std::unique_ptr<ManyWork> work(static_cast<ManyWork*>(data));
  napi_value errors = nullptr;
  bool is_made = napi_create_array_with_length(env, work->members.size(), &errors) == napi_ok;
  for (size_t i = 0; is_made && i < work->members.size(); i++) {
    const Member& member = work->members[i];
    napi_value error = nullptr;
    if (member.error == 0) {
      is_made = napi_get_undefined(env, &error) == napi_ok;
    } else {
      error = CreateSystemError(env, member.error, member.is_directory ? "fsync" : "fdatasync");
      is_made = error != nullptr;
    }
    is_made = is_made && napi_set_element(env, errors, static_cast<uint32_t>(i), error) == napi_ok;
  }
  if (is_made) napi_resolve_deferred(env, work->settled, errors);
  napi_delete_async_work(env, work->work);
}

// syncMany(fds, directories)
Napi::Value SyncManyAsync(const Napi::CallbackInfo& info) {
  Napi::Env env = info.Env();
  if (!info[0].IsArray() || !info[1].IsArray()) {
    ThrowTypeError(env, info[0].IsArray() ? "directories" : "fds");
    return env.Undefined();
  }
  auto work = std::make_unique<ManyWork>();
  Napi::Array fds = info[0].As<Napi::Array>();
  Napi::Array directories = info[1].As<Napi::Array>();
  for (uint32_t i = 0; i < fds.Length(); i++) {
    int fd = -1;
    if (!ReadDescriptor(fds.Get(i), "fds", &fd)) return env.Undefined();
    work->fds.push_back(fd);
  }
  for (uint32_t i = 0; i < directories.Length(); i++) {
    Napi::Value path = directories.Get(i);
    if (!path.IsString()) {
      ThrowTypeError(env, "directories");
      return env.Undefined();
    }
    work->paths.push_back(path.As<Napi::String>().Utf8Value());
  }
  napi_value promise = Queue(env, "stratalog.syncMany", RunMany, FinishMany, work.get(),
                             &work->work, &work->settled);
  if (promise == nullptr) {
    ThrowSystemError(env, ENOMEM, "syncfs");
    return env.Undefined();
  }
  work.release();  // now FinishMany's
  return Napi::Value(env, promise);
}

}  // namespace

void ExportSync(Napi::Env env, Napi::Object exports) {
  exports.Set("fdatasync", Napi::Function::New<FdatasyncAsync>(env, "fdatasync"));
  exports.Set("fdatasyncSync", Napi::Function::New<FdatasyncSync>(env, "fdatasyncSync"));
  exports.Set("syncDirectory", Napi::Function::New<SyncDirectoryAsync>(env, "syncDirectory"));
  exports.Set("syncDirectorySync",
              Napi::Function::New<SyncDirectorySync>(env, "syncDirectorySync"));
  exports.Set("syncMany", Napi::Function::New<SyncManyAsync>(env, "syncMany"));
  exports.Set("syncsTogether", Napi::Boolean::New(env, KernelTellsErrors()));
}

}  // namespace stratalog
