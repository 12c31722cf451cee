/*
 * tests/unit/test_daemon_sandbox — each wall holds, for threads too, and lets through what a mail
 * process does. Every case runs in a process of its own, because walls do not come down again.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <netdb.h>
#include <netinet/in.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "gateway/daemon/sandbox.h"

enum { SKIP = 77 };

/* In the child: the number of the first line that is not as it should be. */
#define HOLDS(condition)                                                                           \
    do {                                                                                           \
        if (!(condition))                                                                          \
            return __LINE__ % 200 ? __LINE__ % 200 : 1;                                            \
    } while (0)

static void in_child(int (*fn)(void))
{
    int status;
    fflush(NULL);
    pid_t pid = fork();
    if (pid == 0)
        _exit(fn());
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_true(WIFEXITED(status));
    if (WEXITSTATUS(status) == SKIP)
        skip();
    if (WEXITSTATUS(status))
        print_error("the child failed at line ... %d (modulo 200)\n", WEXITSTATUS(status));
    assert_int_equal(WEXITSTATUS(status), 0);
}

static void *in_thread(void *arg)
{
    char *argv[] = { arg, NULL };
    errno = 0;
    execv("/bin/true", argv);
    return errno == ENOSYS ? arg : NULL;
}

static bool refused(long rc)
{
    return rc == -1 && errno == ENOSYS;
}

/* What turns a hole into more, in every role. */
static int no_way_out(void)
{
    char name[] = "true";
    char *argv[] = { name, NULL };
    void *page = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    HOLDS(page != MAP_FAILED);
    HOLDS(refused(execv("/bin/true", argv)));
    HOLDS(refused(fork()));
    HOLDS(refused(ptrace(PTRACE_ATTACH, getppid(), NULL, NULL)));
    HOLDS(refused(kill(getppid(), 0)));
    HOLDS(refused(syscall(SYS_tgkill, getppid(), getppid(), 0)));
    HOLDS(refused(setuid(0)));
    HOLDS(refused(chroot("/")));
    HOLDS(refused(syscall(SYS_io_uring_setup, 1, NULL)));
    HOLDS(refused(syscall(SYS_bpf, 0, NULL, 0)));
    HOLDS(refused(mprotect(page, 4096, PROT_READ | PROT_EXEC)));
    HOLDS(mmap(NULL, 4096, PROT_READ | PROT_WRITE | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS, -1,
               0) == MAP_FAILED);
    HOLDS(refused(prctl(PR_SET_DUMPABLE, 1, 0, 0, 0)));
    HOLDS(refused(syscall(SYS_prlimit64, getppid(), RLIMIT_NOFILE, NULL, NULL)));
    return 0;
}

/* What both working processes do, and what neither may. */
static int works(void)
{
    char name[] = "true";
    pthread_t thread;
    void *result = NULL;
    int fd = socket(AF_INET, SOCK_STREAM, 0);
    struct sockaddr_in sa = { .sin_family = AF_INET, .sin_addr = { htonl(INADDR_LOOPBACK) } };
    HOLDS(fd >= 0 && socket(AF_INET6, SOCK_STREAM, 0) >= 0 && socket(AF_UNIX, SOCK_STREAM, 0) >= 0);
    HOLDS(bind(fd, (struct sockaddr *)&sa, sizeof sa) == 0); /* a source address */
    HOLDS(refused(listen(fd, 1)));                           /* but no port is opened */
    HOLDS(socket(AF_PACKET, SOCK_RAW, 0) == -1 && errno == EAFNOSUPPORT);
    HOLDS(socket(AF_NETLINK, SOCK_RAW, 0) == -1 && errno == EAFNOSUPPORT);
    HOLDS(pthread_create(&thread, NULL, in_thread, name) == 0); /* threads are made and held */
    HOLDS(pthread_join(thread, &result) == 0 && result == name);
    HOLDS(open("/dev/null", O_WRONLY) >= 0);
    HOLDS(getaddrinfo("localhost", "25", NULL, &(struct addrinfo *){ NULL }) == 0);
    HOLDS(dlopen("libm.so.6", RTLD_NOW)); /* libraries load parts of theirs late */
    return no_way_out();
}

static int enter(enum sandbox_role role)
{
    struct err err;
    HOLDS(prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0);
    HOLDS(seccomp_enter(role, &err) == RC_OK);
    return 0;
}

static int calls_of_the_relay(void)
{
    int rc = enter(SANDBOX_RELAY);
    HOLDS(rc == 0);
    HOLDS(refused(fchmod(0, 0600)));
    HOLDS(setpriority(PRIO_PROCESS, 0, 1) == 0);
    return works();
}

static int calls_of_control(void)
{
    int rc = enter(SANDBOX_CONTROL);
    HOLDS(rc == 0);
    HOLDS(refused(setpriority(PRIO_PROCESS, 0, 1)));
    return works();
}

static int calls_of_the_log_keeper(void)
{
    int rc = enter(SANDBOX_LOG_KEEPER);
    HOLDS(rc == 0);
    HOLDS(refused(socket(AF_INET, SOCK_STREAM, 0)));
    HOLDS(socket(AF_NETLINK, SOCK_RAW, 0) == -1);
    HOLDS(refused(unlink("/nowhere")) && refused(rename("/nowhere", "/nowhere")));
    HOLDS(open("/dev/null", O_WRONLY) >= 0);
    return no_way_out();
}

/* A failed assertion must end the process, not go round in a loop. */
static void test_abort(void **state)
{
    int status;
    (void)state;
    fflush(NULL);
    pid_t pid = fork();
    if (pid == 0) {
        if (enter(SANDBOX_RELAY) == 0) {
            signal(SIGABRT, SIG_DFL);
            abort();
        }
        _exit(0);
    }
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGABRT);
}

static char folder[] = "/tmp/wp-sandbox-XXXXXX";

static bool can_make(const char *path)
{
    int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC, 0600);
    if (fd >= 0)
        close(fd);
    return fd >= 0;
}

static int only_named_files(void)
{
    char inside[80], below[80], other[80], denied[80];
    snprintf(inside, sizeof inside, "%s/rw/a", folder);
    snprintf(below, sizeof below, "%s/rw/sub", folder);
    snprintf(other, sizeof other, "%s/ro/a", folder);
    snprintf(denied, sizeof denied, "%s/no/a", folder);
    char rw[80], ro[80];
    snprintf(rw, sizeof rw, "%s/rw", folder);
    snprintf(ro, sizeof ro, "%s/ro", folder);
    struct path_rule rules[] = { { rw, PATH_WRITE },
                                 { ro, PATH_READ },
                                 { "/nowhere/at/all", PATH_READ } };
    struct err err;
    HOLDS(can_make(other) && can_make(denied));
    enum rc rc = landlock_enter(rules, 3, &err);
    if (rc == RC_NOT_FOUND)
        return SKIP;
    HOLDS(rc == RC_OK);
    HOLDS(can_make(inside) && can_make(inside));
    HOLDS(mkdir(below, 0700) == 0 && rmdir(below) == 0);
    HOLDS(unlink(inside) == 0);
    HOLDS(open(other, O_RDONLY) >= 0);
    HOLDS(open(other, O_WRONLY) == -1 && errno == EACCES);
    HOLDS(unlink(other) == -1 && errno == EACCES);
    HOLDS(open(denied, O_RDONLY) == -1 && errno == EACCES);
    HOLDS(!can_make("/tmp/wp-sandbox-outside"));
    HOLDS(open("/etc/passwd", O_RDONLY) == -1 && errno == EACCES);
    return 0;
}

static int nothing_is_left_of_root(void)
{
    struct runas runas;
    struct err err;
    char line[256];
    unsigned long long caps = 1;
    if (geteuid() != 0)
        return SKIP;
    HOLDS(runas_find("no-such-user-here", &runas, &err) == RC_NOT_FOUND);
    HOLDS(runas_find("waypost", &runas, &err) == RC_OK); /* nobody, if need be */
    HOLDS(runas.change && runas.uid != 0);
    HOLDS(privilege_drop_all(&runas, &err) == RC_OK);
    HOLDS(getuid() == runas.uid && geteuid() == runas.uid && getgid() == runas.gid);
    HOLDS(getgroups(0, NULL) == 0);
    HOLDS(setuid(0) == -1);
    FILE *f = fopen("/proc/self/status", "r");
    HOLDS(f);
    while (fgets(line, sizeof line, f)) {
        if (strncmp(line, "CapEff:", 7) == 0 || strncmp(line, "CapPrm:", 7) == 0 ||
            strncmp(line, "CapBnd:", 7) == 0) {
            caps = strtoull(line + 7, NULL, 16);
            HOLDS(caps == 0);
        }
    }
    fclose(f);
    HOLDS(caps == 0);
    HOLDS(prctl(PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0) == 1);
    return 0;
}

/* The supervisor's way: few rights first, then a child of it with none. */
static int few_then_none(void)
{
    struct runas runas;
    struct err err;
    int status;
    if (geteuid() != 0)
        return SKIP;
    HOLDS(runas_find("nobody", &runas, &err) == RC_OK);
    HOLDS(privilege_keep_few(&runas, &err) == RC_OK);
    HOLDS(geteuid() == runas.uid);
    int fd = open("/etc/shadow", O_RDONLY); /* a key that belongs to root */
    HOLDS(fd >= 0);
    HOLDS(open("/etc/shadow", O_WRONLY) == -1);
    pid_t pid = fork();
    if (pid == 0) {
        bool ok = privilege_drop_all(&runas, &err) == RC_OK;
        _exit(ok && open("/etc/shadow", O_RDONLY) == -1 ? 0 : 1);
    }
    HOLDS(waitpid(pid, &status, 0) == pid && WIFEXITED(status) && WEXITSTATUS(status) == 0);
    return 0;
}

static int no_core_dumps(void)
{
    privilege_hide_memory();
    HOLDS(prctl(PR_GET_DUMPABLE, 0, 0, 0, 0) == 0);
    return 0;
}

static void test_calls(void **state)
{
    (void)state;
    in_child(calls_of_the_relay);
    in_child(calls_of_control);
    in_child(calls_of_the_log_keeper);
}

static void test_files(void **state)
{
    char path[80];
    (void)state;
    assert_non_null(mkdtemp(folder));
    for (const char *const *sub = (const char *const[]){ "rw", "ro", "no", NULL }; *sub; sub++) {
        snprintf(path, sizeof path, "%s/%s", folder, *sub);
        assert_int_equal(mkdir(path, 0755), 0);
    }
    in_child(only_named_files);
    for (const char *const *file = (const char *const[]){ "ro/a", "no/a", NULL }; *file; file++) {
        snprintf(path, sizeof path, "%s/%s", folder, *file);
        unlink(path);
    }
    for (const char *const *sub = (const char *const[]){ "rw", "ro", "no", "", NULL }; *sub;
         sub++) {
        snprintf(path, sizeof path, "%s/%s", folder, *sub);
        assert_int_equal(rmdir(path), 0);
    }
}

static void test_root(void **state)
{
    (void)state;
    in_child(nothing_is_left_of_root);
}

static void test_few(void **state)
{
    (void)state;
    in_child(few_then_none);
}

static void test_memory(void **state)
{
    (void)state;
    in_child(no_core_dumps);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_calls), cmocka_unit_test(test_abort), cmocka_unit_test(test_files),
        cmocka_unit_test(test_root),  cmocka_unit_test(test_few),   cmocka_unit_test(test_memory),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
