/* Answers CPUID for a library whose CPUID instructions were replaced by an invalid one of the same
   length, without the features that are to be hidden: benchmarks/processors.py writes both.

   CPUID_HIDDEN: "leaf,subleaf,register,bits;..." in hexadecimal, registers 0 to 3 for EAX to EDX.
   CPUID_ASKED: a file to which every answer adds one byte, so that the caller can see that the
   library asked here. */

#define _GNU_SOURCE
#include <cpuid.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <ucontext.h>
#include <unistd.h>

#define MAX_HIDDEN 16

static struct {
    unsigned leaf, subleaf, index, bits;
} hidden[MAX_HIDDEN];
static int hidden_count, asked = -1;

static void answer(int signal_number, siginfo_t *information, void *context)
{
    greg_t *registers = ((ucontext_t *)context)->uc_mcontext.gregs;
    const unsigned char *instruction = (const unsigned char *)registers[REG_RIP];
    unsigned leaf = registers[REG_RAX], subleaf = registers[REG_RCX], values[4];

    (void)information;
    if (memcmp(instruction, "\x0f\x04", 2)) { /* not ours: as if there were no handler */
        signal(signal_number, SIG_DFL);
        return;
    }
    __cpuid_count(leaf, subleaf, values[0], values[1], values[2], values[3]);
    for (int at = 0; at < hidden_count; at++)
        if (hidden[at].leaf == leaf && hidden[at].subleaf == subleaf)
            values[hidden[at].index] &= ~hidden[at].bits;
    registers[REG_RAX] = values[0];
    registers[REG_RBX] = values[1];
    registers[REG_RCX] = values[2];
    registers[REG_RDX] = values[3];
    registers[REG_RIP] += 2;
    if (asked >= 0 && write(asked, "1", 1) < 0)
        asked = -1;
}

__attribute__((constructor)) static void install(void)
{
    const char *text = getenv("CPUID_HIDDEN"), *file = getenv("CPUID_ASKED");
    struct sigaction action = {.sa_sigaction = answer, .sa_flags = SA_SIGINFO | SA_NODEFER};

    while (text && *text && hidden_count < MAX_HIDDEN) {
        if (sscanf(text, "%x,%x,%u,%x", &hidden[hidden_count].leaf, &hidden[hidden_count].subleaf,
                   &hidden[hidden_count].index, &hidden[hidden_count].bits) == 4)
            hidden_count++;
        text = strchr(text, ';');
        text = text ? text + 1 : NULL;
    }
    if (file)
        asked = open(file, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
    sigaction(SIGILL, &action, NULL);
}
