/* judge.c - all C programs that judge the core as one: compiled with -Dmain=... of their own, quickest first.
 *
 *     judge SILENCE [SETS [LOOK]]
 *
 * Ends with 3 where no claim is made in SILENCE milliseconds of processor time: something hangs. SETS: only kernels of
 * these instruction sets, a bit each (memtype_isa). After LOOK milliseconds, some times SILENCE, it ends well: nothing was
 * found that fast.
 */
#define _DEFAULT_SOURCE // setitimer
#include <signal.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/time.h>
#include <unistd.h>

#define ALL_SETS 31u

int rules_main(void);
int tables_main(void);
int fleet_main(void);
int arrays_main(void);
int alone_main(int count, char **arguments);
int differential_main(int count, char **arguments);
int limits_main(void);
int memtype_isa_supported(uint32_t isa);

uint64_t claims; // of the programs that include checks.h

static unsigned sets = ALL_SETS;
static unsigned long silence, look, passed; // milliseconds

// what the programs but rules_check ask in memtype_isa_supported's place
int judged_set(uint32_t isa)
{
#ifdef MEMTYPE_SIMDE
	if (isa == 3) // AVX-512, emulated
		return (int)(sets >> isa & 1);
#endif
	return memtype_isa_supported(isa) && (sets >> isa & 1);
}

static void watch(int signal)
{
	static uint64_t before = UINT64_MAX;

	(void)signal;
	passed += silence;
	if (look && passed >= look)
		_exit(0);
	if (claims == before)
		_exit(3);
	before = claims;
}

static void limit(void)
{
	const struct rlimit none = {0, 0};
	struct timeval each = {(time_t)(silence / 1000), (suseconds_t)(silence % 1000 * 1000)};

	setrlimit(RLIMIT_CORE, &none);
	signal(SIGPROF, watch);
	setitimer(ITIMER_PROF, &(struct itimerval){each, each}, NULL);
}

int main(int count, char **given)
{
	char *rounds[] = {"alone", "40"}, *answers[] = {"differential", "600000"};

	sets = count > 2 ? (unsigned)strtoul(given[2], NULL, 0) : ALL_SETS;
	silence = count > 1 ? strtoul(given[1], NULL, 0) : 1000;
	look = count > 3 ? strtoul(given[3], NULL, 0) : 0;
	limit();
	if ((sets & 1) && (rules_main() || tables_main())) // they ask no kernel
		return 1;
	if (fleet_main() || alone_main(2, rounds) || arrays_main() || differential_main(2, answers))
		return 1;
	return (sets & 1) && limits_main();
}
