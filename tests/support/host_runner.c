/* Executes single instructions for tests: a 32-bit program that lives in the handler of its own traps.
 *
 * Each request on standard input is a register state, sixteen bytes of code and the memory window; the handler puts them
 * into place and returns from the signal with TF set, so that the next trap or exception ends exactly one instruction.
 * Its handler answers on standard output with the state that the kernel saved. No library, no startup code. The initial
 * stack, the vDSO and everything else outside this program, the code page and the window is unmapped.
 */

typedef unsigned int u32;
typedef unsigned char u8;

enum { CODE = 0x20000, CODE_LENGTH = 0x2000, WINDOW = 0x30000, WINDOW_BYTES = 0x2000, CODE_BYTES = 16 };
enum { EXIT = 1, READ = 3, WRITE = 4, MUNMAP = 91, MODIFY_LDT = 123, SIGACTION_RT = 174, SIGALTSTACK = 186, MMAP2 = 192 };
enum { SEGMENTS = 7 };
enum { FX = 112, EXTENDED_MAGIC = 0x46505853 }; /* of a signal frame: where the FXSAVE image lies; what marks XSAVE's header behind it */

struct state {
	u32 gpr[8]; /* EAX ECX EDX EBX ESP EBP ESI EDI */
	u32 eip, eflags;
	u32 selector[6]; /* ES CS SS DS FS GS */
	u32 vector, error, cr2, at; /* `at`: linear address of the code */
};

struct vectors {
	u8 st[8][16]; /* physical registers R0-R7: MM0-MM7 */
	u8 xmm[8][16];
	u32 mxcsr, control, status, filled;
};

struct context { /* what an rt signal frame of the ia32 ABI holds behind siginfo */
	u32 flags, link, stack[3];
	u32 gs, fs, es, ds;
	u32 edi, esi, ebp, esp, ebx, edx, ecx, eax;
	u32 trapno, err, eip, cs, eflags, esp_at_signal, ss;
	u8 *fpu;
	u32 oldmask, cr2;
};

struct descriptor { /* struct user_desc */
	u32 number, base, limit, bits;
};

static struct state now;
static struct vectors vectors;
static u8 code[CODE_BYTES];
static u32 started, written_at;
static u8 stack[64 * 1024] __attribute__((aligned(16)));

static u32 call(u32 number, u32 a, u32 b, u32 c)
{
	u32 result;
	__asm__ volatile("int $0x80" : "=a"(result) : "a"(number), "b"(a), "c"(b), "d"(c) : "memory");
	return result;
}

static void leave(u32 status)
{
	for (;;)
		call(EXIT, status, 0, 0);
}

static void all(u32 number, int fd, void *buffer, u32 length)
{
	u32 done = 0;
	while (done < length) {
		int n = (int)call(number, (u32)fd, (u32)buffer + done, length - done);
		if (n <= 0)
			leave(n == 0 ? 0 : 2);
		done += (u32)n;
	}
}

static void save(const struct context *c)
{
	u32 gpr[8] = {c->eax, c->ecx, c->edx, c->ebx, c->esp, c->ebp, c->esi, c->edi};
	for (int i = 0; i < 8; i++)
		now.gpr[i] = gpr[i];
	now.eip = c->eip, now.eflags = c->eflags;
	now.selector[0] = c->es & 0xffff, now.selector[1] = c->cs & 0xffff, now.selector[2] = c->ss & 0xffff;
	now.selector[3] = c->ds & 0xffff, now.selector[4] = c->fs & 0xffff, now.selector[5] = c->gs & 0xffff;
	now.vector = c->trapno, now.error = c->err, now.cr2 = c->cr2;
}

static u32 *word(const struct context *c, u32 at)
{
	return (u32 *)(c->fpu + at);
}

static void copy(u8 *to, const u8 *from, u32 length)
{
	for (u32 i = 0; i < length; i++)
		((volatile u8 *)to)[i] = from[i];
}

/* The frame has the x87 unit in FSAVE's format, registers in stack order, and everything again in FXSAVE's. */
static void save_vectors(const struct context *c)
{
	vectors.control = *word(c, 0) & 0xffff, vectors.status = *word(c, 4) & 0xffff, vectors.filled = 0;
	for (u32 i = 0; i < 8; i++) {
		u32 top = vectors.status >> 11 & 7;
		copy(vectors.st[i], c->fpu + 28 + 10 * ((i - top) & 7), 10);
		copy(vectors.xmm[i], c->fpu + FX + 160 + 16 * i, 16);
		if ((*word(c, 8) >> 2 * i & 3) != 3)
			vectors.filled |= 1 << i;
	}
	vectors.mxcsr = *word(c, FX + 24);
}

static void load_vectors(struct context *c)
{
	u32 tags = 0;
	for (u32 i = 0; i < 8; i++) {
		u32 top = vectors.status >> 11 & 7;
		copy(c->fpu + 28 + 10 * ((i - top) & 7), vectors.st[i], 10);
		copy(c->fpu + FX + 160 + 16 * i, vectors.xmm[i], 16);
		if (!(vectors.filled >> i & 1))
			tags |= 3 << 2 * i;
	}
	*word(c, 0) = vectors.control, *word(c, 4) = vectors.status, *word(c, 8) = tags;
	for (u32 pointer = 12; pointer < 28; pointer += 4)
		*word(c, pointer) = 0; /* of the last x87 instruction and its operand */
	*word(c, FX + 24) = vectors.mxcsr;
	if (*word(c, FX + 464) == EXTENDED_MAGIC)
		*word(c, FX + 512) |= 3; /* x87 and SSE state are not in their initial configuration */
}

static void load(struct context *c)
{
	c->eax = now.gpr[0], c->ecx = now.gpr[1], c->edx = now.gpr[2], c->ebx = now.gpr[3];
	c->esp = now.gpr[4], c->ebp = now.gpr[5], c->esi = now.gpr[6], c->edi = now.gpr[7];
	c->eip = now.eip, c->eflags = now.eflags;
	c->es = now.selector[0], c->cs = now.selector[1], c->ss = now.selector[2];
	c->ds = now.selector[3], c->fs = now.selector[4], c->gs = now.selector[5];
}

static void place_code(void)
{
	for (int i = 0; i < CODE_BYTES; i++) {
		if (written_at && written_at + i < CODE + CODE_LENGTH)
			*(volatile u8 *)(written_at + i) = 0;
	}
	for (int i = 0; i < CODE_BYTES && now.at + i < CODE + CODE_LENGTH; i++)
		*(volatile u8 *)(now.at + i) = code[i];
	written_at = now.at;
}

static void trapped(int signal, void *info, struct context *c)
{
	(void)signal, (void)info;
	__asm__ volatile("pushl $0x202; popfl" : : : "memory", "cc"); /* AC, NT and ID may be left from the instruction */
	if (started) {
		save(c);
		save_vectors(c);
		all(WRITE, 1, &now, sizeof now);
		all(WRITE, 1, &vectors, sizeof vectors);
		all(WRITE, 1, (void *)WINDOW, WINDOW_BYTES);
	}
	started = 1;
	all(READ, 0, &now, sizeof now);
	all(READ, 0, &vectors, sizeof vectors);
	all(READ, 0, code, sizeof code);
	all(READ, 0, (void *)WINDOW, WINDOW_BYTES);
	place_code();
	load_vectors(c);
	load(c);
}

/* The kernel enters a handler with flat data segments; it leaves through rt_sigreturn. */
__asm__("restore: movl $173, %eax; int $0x80");
extern void restore(void);

static void map(u32 at, u32 length, u32 protection)
{
	register u32 esi __asm__("esi") = 0x32; /* private, anonymous, fixed */
	register u32 edi __asm__("edi") = 0xffffffff;
	u32 result;
	__asm__ volatile("push %%ebp; xor %%ebp, %%ebp; int $0x80; pop %%ebp"
			 : "=a"(result)
			 : "a"(MMAP2), "b"(at), "c"(length), "d"(protection), "r"(esi), "r"(edi)
			 : "memory");
	if (result != at)
		leave(3);
}

static void describe(void)
{
	struct descriptor table[SEGMENTS];
	all(READ, 0, table, sizeof table);
	for (int i = 0; i < SEGMENTS; i++)
		if (call(MODIFY_LDT, 0x11, (u32)&table[i], sizeof table[i]) != 0)
			leave(4);
}

static void handle(u32 signal)
{
	/* handler, SA_SIGINFO | SA_RESTORER | SA_ONSTACK | SA_NODEFER, restorer, mask */
	u32 action[5] = {(u32)trapped, 0x4 | 0x04000000 | 0x08000000 | 0x40000000, (u32)restore, 0, 0};
	register u32 esi __asm__("esi") = 8;
	u32 result;
	__asm__ volatile("int $0x80" : "=a"(result) : "a"(SIGACTION_RT), "b"(signal), "c"(action), "d"(0), "r"(esi) : "memory");
	if (result != 0)
		leave(5);
}

__attribute__((noreturn)) static void begin(void)
{
	u32 alternative[3] = {(u32)stack, 0, sizeof stack / 2};
	map(CODE, CODE_LENGTH, 7);
	map(WINDOW, WINDOW_BYTES, 3);
	describe();
	call(SIGALTSTACK, (u32)alternative, 0, 0);
	handle(4), handle(5), handle(7), handle(8), handle(11); /* ILL TRAP BUS FPE SEGV */
	call(MUNMAP, 0x0c000000, 0xffffe000 - 0x0c000000, 0);
	__asm__ volatile("ud2");
	__builtin_unreachable();
}

__attribute__((noreturn)) void start(void)
{
	__asm__ volatile("movl %0, %%esp; call *%1" : : "r"(stack + sizeof stack - 16), "r"(begin));
	__builtin_unreachable();
}
