/* judge.c - all C programs that judge the core as one: compiled with -Dmain=... of their own, quickest first. */
#include <stdio.h>

int rules_main(void);
int arrays_main(void);
int alone_main(int count, char **arguments);
int differential_main(int count, char **arguments);

int main(void)
{
	char *rounds[] = {"alone", "40"}, *answers[] = {"differential", "1500000"};

	return rules_main() || alone_main(2, rounds) || arrays_main() || differential_main(2, answers);
}
