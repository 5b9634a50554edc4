/* The tracer of step.c: it steps through a call, sets breakpoints, and sees how the child ends. */
#include "step_act.h"
#include <dlfcn.h>
#include <link.h>
#include <sys/user.h>

/* Where the code of the library is in memory, and where the library was loaded. */
static unsigned long text_begin, text_end, text_base;

static int take_text(struct dl_phdr_info *info, size_t size, void *base)
{
    (void)size;
    if (info->dlpi_addr != *(unsigned long *)base)
        return 0;
    for (int i = 0; i < info->dlpi_phnum; i++) {
        const ElfW(Phdr) *part = &info->dlpi_phdr[i];
        if (part->p_type == PT_LOAD && part->p_flags & PF_X) {
            text_begin = info->dlpi_addr + part->p_vaddr;
            text_end = text_begin + part->p_memsz;
        }
    }
    return 1;
}

static bool find_text(void)
{
    Dl_info info;
    void *symbol = dlsym(RTLD_DEFAULT, "nss_wrapper_enabled");
    if (!symbol || !dladdr(symbol, &info))
        return false;
    text_base = (unsigned long)info.dli_fbase;
    return dl_iterate_phdr(take_text, &text_base) && text_begin;
}

/* An instruction that was run, how often it had run before, and whether it did not run again. */
struct step { unsigned long pc; unsigned nth; bool is_last; };
struct steps { struct step *list; size_t len; };

static unsigned long pc_of(pid_t tracee)
{
    struct user_regs_struct regs;
    return ptrace(PTRACE_GETREGS, tracee, NULL, &regs) ? 0 : regs.rip;
}

/* Waits until a thread of the child stops or ends, or the child ends. */
static pid_t next_stop(int *status)
{
    pid_t tracee;
    do
        tracee = waitpid(-1, status, __WALL);
    while (tracee < 0 && errno == EINTR);
    return tracee;
}

enum { BREAKPOINT = 0xcc };

static void poke(pid_t tracee, unsigned long pc, unsigned char byte)
{
    long word = ptrace(PTRACE_PEEKTEXT, tracee, pc, NULL);
    ptrace(PTRACE_POKETEXT, tracee, pc, (word & ~0xffL) | byte);
}

/* Removes the breakpoint at `pc`, and sets the tracee back to that instruction. This process has the same code at the
 * same address, from where the instruction's first byte is copied. */
static void leave_breakpoint(pid_t tracee, unsigned long pc)
{
    struct user_regs_struct regs;
    ptrace(PTRACE_GETREGS, tracee, NULL, &regs);
    regs.rip = pc;
    ptrace(PTRACE_SETREGS, tracee, NULL, &regs);
    poke(tracee, pc, *(const unsigned char *)pc);
}

static bool is_ours(unsigned long pc)
{
    return pc >= text_begin && pc < text_end;
}

/* The tracee is at the first instruction of a function: where the function returns to, or 0 if that is not in the
 * library. */
static unsigned long return_address(pid_t tracee)
{
    struct user_regs_struct regs;
    ptrace(PTRACE_GETREGS, tracee, NULL, &regs);
    unsigned long to = (unsigned long)ptrace(PTRACE_PEEKDATA, tracee, regs.rsp, NULL);
    return is_ours(to) ? to : 0;
}

static void take_step(struct steps *steps, unsigned long pc, unsigned *times, size_t *last)
{
    size_t at = pc - text_begin;
    if (steps->len % 4096 == 0)
        steps->list = realloc(steps->list, (steps->len + 4096) * sizeof *steps->list);
    if (times[at])
        steps->list[last[at]].is_last = false;
    last[at] = steps->len;
    steps->list[steps->len++] = (struct step){ pc, times[at]++, true };
}

/* Steps through the call of a child. With `runs_libc` functions that the library calls elsewhere run at full speed,
 * because stepping through them takes long; code of the library that they call back is missed then. */
static struct steps learn(pid_t child, bool runs_libc)
{
    struct steps steps = { NULL, 0 };
    bool inside = false, was_ours = false;
    unsigned long back = 0;
    int status;
    unsigned *times = calloc(text_end - text_begin, sizeof *times);
    size_t *last = calloc(text_end - text_begin, sizeof *last);
    for (pid_t tracee; (tracee = next_stop(&status)) > 0;) {
        if (!WIFSTOPPED(status)) {
            if (tracee != child)
                continue;
            break;
        }
        int signal = WSTOPSIG(status), how;
        if (signal == SIGSTOP)
            inside = !inside;
        unsigned long pc = inside ? pc_of(tracee) : 0;
        if (back && pc == back + 1) {
            leave_breakpoint(tracee, pc = back);
            back = 0;
        }
        if (signal == SIGTRAP && is_ours(pc))
            take_step(&steps, pc, times, last);
        else if (runs_libc && inside && was_ours && (back = return_address(tracee)))
            poke(tracee, back, BREAKPOINT);
        was_ours = is_ours(pc);
        how = inside && !back ? PTRACE_SINGLESTEP : PTRACE_CONT;
        ptrace(how, tracee, NULL, signal == SIGSTOP || signal == SIGTRAP ? 0 : signal);
    }
    if (!WIFEXITED(status) || WEXITSTATUS(status)) {
        printf("the call alone fails: status %#x\n", (unsigned)status);
        exit(1);
    }
    free(times);
    free(last);
    return steps;
}

struct outcome { unsigned times; long ms; bool failed; char how[80]; };

/* Lets the child run, with a breakpoint at `*pc` while the call lasts, which begins and ends with a SIGSTOP. The
 * breakpoint is passed `skip` times. After that the child gets a signal there; or, if a second thread makes the call
 * (`by_thread`), the first thread is told to fork while the second one is stopped. */
static struct outcome trace(pid_t child, const unsigned long *pc, unsigned skip, bool by_thread)
{
    struct outcome out = { 0 };
    int status;
    bool armed = false, stepping = false;
    unsigned met = 0;
    const unsigned char byte = *(const unsigned char *)*pc;
    for (pid_t tracee; (tracee = next_stop(&status)) > 0;) {
        if (!WIFSTOPPED(status)) {
            if (tracee != child)
                continue;
            break;
        }
        int signal = WSTOPSIG(status), send = 0, how = PTRACE_CONT;
        if (signal == SIGSTOP) {
            /* The call begins or ends. */
            armed = !armed;
            met = 0;
            poke(tracee, *pc, armed ? BREAKPOINT : byte);
        } else if (signal == SIGTRAP && stepping) {
            stepping = false;
            if (armed)
                poke(tracee, *pc, BREAKPOINT);
        } else if (signal == SIGTRAP && pc_of(tracee) == *pc + 1) {
            leave_breakpoint(tracee, *pc);
            if (met++ < skip) {
                stepping = true;
                how = PTRACE_SINGLESTEP;
            } else {
                out.times++;
                if (by_thread)
                    tell_main();
                else
                    send = SIGUSR1;
            }
        } else
            send = signal;
        ptrace(how, tracee, NULL, send);
    }
    if (WIFSIGNALED(status))
        snprintf(out.how, sizeof out.how, "%s",
                 WTERMSIG(status) == SIGALRM ? "does not end" : strsignal(WTERMSIG(status)));
    else
        snprintf(out.how, sizeof out.how, "a wrong answer");
    out.failed = status != 0;
    return out;
}
