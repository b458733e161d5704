/* quick.c - the short ways of native.py: questions whose answer takes less time than cffi's conversions would.
 *
 * A module of its own, memtype._quick, in the file of memtype._native: one look at each argument, no pointer object
 * for an array. What is not plain is refused without a reason (False, None), and goes the careful way in Python.
 *
 * Python's stable ABI of 3.10 has no buffer protocol, so arrays are seen through numpy's own protocol for C,
 * __array_struct__ (numpy reference, "The array interface protocol").
 */
#include <pyconfig.h>
#if !defined(Py_GIL_DISABLED) && !defined(Py_DEBUG)
#define Py_LIMITED_API 0x030A0000
#endif
#include <Python.h>

#include "internal.h"

static PyObject *array_struct; // "__array_struct__"

// --- arrays ---

typedef struct {
	int version; // 2
	int nd;
	char kind;
	int itemsize, flags;
	Py_intptr_t *shape, *strides;
	void *data;
	PyObject *descr;
} PyArrayInterface;

#define CONTIGUOUS 0x001
#define ALIGNED 0x100
#define NATIVE_ORDER 0x200
#define WRITEABLE 0x400

struct array {
	PyObject *capsule; // keeps the rest
	const PyArrayInterface *is;
};

// numpy.ndarray; numpy is loaded with the first array that is asked about, not with this module
static PyObject *array_type(void)
{
	static PyObject *ndarray;
	PyObject *numpy;

	if (!ndarray) {
		numpy = PyImport_ImportModule("numpy");
		ndarray = numpy ? PyObject_GetAttrString(numpy, "ndarray") : NULL;
		Py_XDECREF(numpy);
		PyErr_Clear();
	}
	return ndarray;
}

// Whether it is a plain array of unsigned integers of that size; then `close_array` is due.
static int open_array(PyObject *object, int itemsize, int writeable, struct array *a)
{
	const int needed = CONTIGUOUS | ALIGNED | NATIVE_ORDER | writeable;

	if ((PyObject *)Py_TYPE(object) != array_type()) // of no subclass: a mask would be lost
		return 0;
	a->capsule = PyObject_GetAttr(object, array_struct);
	a->is = a->capsule ? PyCapsule_GetPointer(a->capsule, NULL) : NULL;
	if (a->is && a->is->version == 2 && a->is->kind == 'u' && a->is->itemsize == itemsize &&
	    (a->is->flags & needed) == needed)
		return 1;
	Py_XDECREF(a->capsule);
	PyErr_Clear();
	return 0;
}

static void close_array(struct array *a)
{
	Py_DECREF(a->capsule);
}

static int same_shape(const PyArrayInterface *a, const PyArrayInterface *b)
{
	return a->nd == b->nd && (a->nd == 0 || memcmp(a->shape, b->shape, (size_t)a->nd * sizeof(*a->shape)) == 0);
}

static size_t elements(const PyArrayInterface *a)
{
	size_t n = 1;

	for (int i = 0; i < a->nd; i++)
		n *= (size_t)a->shape[i];
	return n;
}

// a plain int of 64 bits; else 0, with an exception set
static int word_of(PyObject *object, uint64_t *word)
{
	if (!PyLong_CheckExact(object)) { // True is no number of a register
		PyErr_SetString(PyExc_TypeError, "not an int");
		return 0;
	}
#if SIZE_MAX == UINT64_MAX // twice as fast, from 2^30 on
	*word = PyLong_AsSize_t(object);
#else
	*word = PyLong_AsUnsignedLongLong(object);
#endif
	return *word != UINT64_MAX || !PyErr_Occurred();
}

static void free_object(PyObject *self)
{
	PyTypeObject *type = Py_TYPE(self);
	freefunc release = (freefunc)PyType_GetSlot(type, Py_tp_free);

	release(self);
	Py_DECREF(type);
}

// --- Tables: those of a state or a map, with the functions that read them ---

typedef int types_function(const memtype_tables *t, const uint64_t *addresses, size_t n, uint8_t *types, size_t *index);
typedef int count_function(const memtype_tables *t, const uint64_t *addresses, size_t n, uint64_t counts[16],
			   size_t *index);

struct tables {
	PyObject_HEAD
	types_function *types; // of the core that made them
	count_function *count;
	const memtype_tables *t;
	PyObject *owner; // of *t
};

static PyTypeObject *tables_type;

static void tables_free(PyObject *self)
{
	Py_DECREF(((struct tables *)self)->owner);
	free_object(self);
}

static PyObject *tables_new(PyObject *Py_UNUSED(module), PyObject *args)
{
	PyObject *types, *counter, *t, *owner;
	struct tables *made;

	if (!PyArg_ParseTuple(args, "O!O!O!O:tables", &PyLong_Type, &types, &PyLong_Type, &counter, &PyLong_Type, &t, &owner))
		return NULL;
	made = PyObject_New(struct tables, tables_type);
	if (!made)
		return NULL;
	made->types = (types_function *)(uintptr_t)PyLong_AsVoidPtr(types);
	made->count = (count_function *)(uintptr_t)PyLong_AsVoidPtr(counter);
	made->t = PyLong_AsVoidPtr(t);
	Py_INCREF(owner);
	made->owner = owner;
	return (PyObject *)made;
}

static int look_up(const struct tables *t, const PyArrayInterface *given, const PyArrayInterface *out)
{
	size_t n = elements(given);
	int status;

	if (n <= MEMTYPE_CHECKED_FIRST)
		return t->types(t->t, given->data, n, out->data, NULL);
	Py_BEGIN_ALLOW_THREADS
	status = t->types(t->t, given->data, n, out->data, NULL);
	Py_END_ALLOW_THREADS
	return status;
}

// types(addresses, out) -> whether `out` holds the answer
static PyObject *tables_types(PyObject *self, PyObject *const *args, Py_ssize_t count)
{
	struct array given, out;
	int done = 0;

	if (count == 2 && open_array(args[0], 8, 0, &given)) {
		if (open_array(args[1], 1, WRITEABLE, &out)) {
			done = same_shape(given.is, out.is) &&
			       look_up((struct tables *)self, given.is, out.is) == MEMTYPE_OK;
			close_array(&out);
		}
		close_array(&given);
	}
	return PyBool_FromLong(done);
}

static int count_types(const struct tables *t, const PyArrayInterface *given, uint64_t counts[16])
{
	size_t n = elements(given);
	int status;

	if (n <= MEMTYPE_CHECKED_FIRST)
		return t->count(t->t, given->data, n, counts, NULL);
	Py_BEGIN_ALLOW_THREADS
	status = t->count(t->t, given->data, n, counts, NULL);
	Py_END_ALLOW_THREADS
	return status;
}

// histogram(addresses, counts) -> whether the 16 of `counts` hold the answer
static PyObject *tables_histogram(PyObject *self, PyObject *const *args, Py_ssize_t count)
{
	const struct tables *t = (struct tables *)self;
	struct array given, counts;
	int done = 0;

	if (count == 2 && open_array(args[0], 8, 0, &given)) {
		if (open_array(args[1], 8, WRITEABLE, &counts)) {
			done = elements(counts.is) == 16 && count_types(t, given.is, counts.is->data) == MEMTYPE_OK;
			close_array(&counts);
		}
		close_array(&given);
	}
	return PyBool_FromLong(done);
}

#define FAST(function) (PyCFunction)(void (*)(void))(function)

static PyMethodDef tables_methods[] = {
	{"types", FAST(tables_types), METH_FASTCALL, NULL},
	{"histogram", FAST(tables_histogram), METH_FASTCALL, NULL},
	{0},
};
static PyType_Slot tables_slots[] = {{Py_tp_dealloc, tables_free}, {Py_tp_methods, tables_methods}, {0}};
static PyType_Spec tables_spec = {
	"memtype._quick.Tables", sizeof(struct tables), 0, Py_TPFLAGS_DEFAULT, tables_slots,
};

// --- Steps: a map as single addresses are looked up in it ---

struct steps {
	PyObject_HEAD
	uint64_t *bases, last;
	size_t count;
	PyObject *kinds; // tuple: what segment i answers
};

static PyTypeObject *steps_type;

static void steps_free(PyObject *self)
{
	PyMem_Free(((struct steps *)self)->bases);
	Py_DECREF(((struct steps *)self)->kinds);
	free_object(self);
}

static PyObject *steps_new(PyObject *Py_UNUSED(module), PyObject *args)
{
	PyObject *bases, *kinds;
	unsigned int maxphyaddr;
	struct steps *made;

	if (!PyArg_ParseTuple(args, "O!O!I:steps", &PyTuple_Type, &bases, &PyTuple_Type, &kinds, &maxphyaddr))
		return NULL;
	made = PyObject_New(struct steps, steps_type);
	if (!made)
		return NULL;
	made->count = (size_t)PyTuple_Size(kinds);
	made->last = low_bits(maxphyaddr);
	made->bases = PyMem_Malloc(made->count * sizeof(*made->bases));
	Py_INCREF(kinds);
	made->kinds = kinds;
	for (size_t i = 0; i < made->count; i++) {
		PyObject *base = PyTuple_GetItem(bases, (Py_ssize_t)i);

		if (!made->bases || !base || !word_of(base, &made->bases[i])) {
			Py_DECREF(made);
			return PyErr_Occurred() ? NULL : PyErr_NoMemory();
		}
	}
	return (PyObject *)made;
}

// at(address) -> the type, or None for what is no address of the map, or no plain int
static PyObject *steps_at(PyObject *self, PyObject *address)
{
	const struct steps *s = (struct steps *)self;
	PyObject *kind = Py_None;
	uint64_t place;

	if (!word_of(address, &place))
		PyErr_Clear();
	else if (place <= s->last)
		kind = PyTuple_GetItem(s->kinds, (Py_ssize_t)find_segment(s->bases, s->count, place));
	Py_INCREF(kind);
	return kind;
}

static PyMethodDef steps_methods[] = {{"at", steps_at, METH_O, NULL}, {0}};
static PyType_Slot steps_slots[] = {{Py_tp_dealloc, steps_free}, {Py_tp_methods, steps_methods}, {0}};
static PyType_Spec steps_spec = {
	"memtype._quick.Steps", sizeof(struct steps), 0, Py_TPFLAGS_DEFAULT, steps_slots,
};

// --- registers and maps, as bytes that hold their structs ---

// element `i` of a tuple or list, borrowed; no list where another thread could take the element out of it meanwhile
static PyObject *item(PyObject *sequence, Py_ssize_t i)
{
	if (PyTuple_CheckExact(sequence))
		return PyTuple_GetItem(sequence, i);
#ifdef Py_GIL_DISABLED
	return NULL;
#else
	return PyList_CheckExact(sequence) ? PyList_GetItem(sequence, i) : NULL;
#endif
}

// words[0 .. n) of a tuple or list of exactly so many
static int words_of(PyObject *sequence, Py_ssize_t n, uint64_t *words)
{
	Py_ssize_t i;

	if (PyObject_Size(sequence) != n)
		return 0;
	for (i = 0; i < n; i++) {
		PyObject *word = item(sequence, i);

		if (!word || !word_of(word, &words[i]))
			break;
	}
	return i == n;
}

static int pairs_of(PyObject *variable, memtype_mtrrs *m)
{
	Py_ssize_t n = PyObject_Size(variable);

	if (n < 0 || n > MEMTYPE_MAX_VARIABLE)
		return 0;
	m->variable_count = (uint32_t)n;
	for (Py_ssize_t i = 0; i < n; i++) {
		PyObject *pair = item(variable, i);
		uint64_t words[2];

		if (!pair || !words_of(pair, 2, words))
			return 0;
		m->base[i] = words[0];
		m->mask[i] = words[1];
	}
	return 1;
}

// (def_type, fixed, variable, maxphyaddr, whether AMD, syscfg, tom2, cap or None)
static int registers_of(PyObject *const *args, memtype_mtrrs *m)
{
	uint64_t width, amd;

	if (!word_of(args[3], &width) || !word_of(args[4], &amd) || width > MAX_MAXPHYADDR)
		return 0;
	m->maxphyaddr = (uint32_t)width;
	m->vendor = amd ? MEMTYPE_AMD : MEMTYPE_INTEL;
	m->cap = CAP_FIX;
	return word_of(args[0], &m->def_type) && words_of(args[1], MEMTYPE_FIXED_MSRS, m->fixed) &&
	       pairs_of(args[2], m) && word_of(args[5], &m->syscfg) && word_of(args[6], &m->tom2) &&
	       (args[7] == Py_None || word_of(args[7], &m->cap)) && memtype_mtrrs_check(m) == MEMTYPE_OK;
}

static PyObject *zeros(Py_ssize_t size)
{
	PyObject *made = PyBytes_FromStringAndSize(NULL, size);

	if (made)
		memset(PyBytes_AsString(made), 0, (size_t)size);
	return made;
}

// registers(...) -> bytes that hold a memtype_mtrrs, or None
static PyObject *registers(PyObject *Py_UNUSED(module), PyObject *const *args, Py_ssize_t count)
{
	PyObject *made = zeros(sizeof(memtype_mtrrs));

	if (!made || (count == 8 && registers_of(args, (memtype_mtrrs *)(void *)PyBytes_AsString(made))))
		return made;
	PyErr_Clear();
	Py_DECREF(made);
	Py_RETURN_NONE;
}

// what bytes hold, if they are of that size
static void *held(PyObject *bytes, size_t size)
{
	return PyBytes_CheckExact(bytes) && (size_t)PyBytes_Size(bytes) == size ? PyBytes_AsString(bytes) : NULL;
}

// resolve(registers) -> bytes that hold a memtype_map, or None where it is too small
static PyObject *resolve(PyObject *Py_UNUSED(module), PyObject *given)
{
	const memtype_mtrrs *m = held(given, sizeof(*m));
	PyObject *made = m ? zeros(sizeof(memtype_map)) : NULL;

	if (!m)
		PyErr_SetString(PyExc_TypeError, "no registers");
	if (!made || memtype_resolve_map(m, (memtype_map *)(void *)PyBytes_AsString(made)) == MEMTYPE_OK)
		return made;
	Py_DECREF(made);
	Py_RETURN_NONE;
}

// pages(map, maxphyaddr, first_gfn, count, out) -> whether `out` holds the types of `count` pages
static PyObject *pages(PyObject *Py_UNUSED(module), PyObject *const *args, Py_ssize_t count)
{
	const memtype_map *map = count == 5 ? held(args[0], sizeof(*map)) : NULL;
	uint64_t width, first, wanted;
	struct array out;
	int done = 0;

	if (map && word_of(args[1], &width) && word_of(args[2], &first) && word_of(args[3], &wanted) &&
	    open_array(args[4], 1, WRITEABLE, &out)) {
		int fits = out.is->nd == 1 && (uint64_t)out.is->shape[0] == wanted;

		Py_BEGIN_ALLOW_THREADS
		done = fits && memtype_map_page_types(map, (uint32_t)width, first, (size_t)wanted, out.is->data) == MEMTYPE_OK;
		Py_END_ALLOW_THREADS
		close_array(&out);
	}
	PyErr_Clear();
	return PyBool_FromLong(done);
}

// --- the module ---

static PyMethodDef functions[] = {
	{"tables", tables_new, METH_VARARGS, NULL},
	{"steps", steps_new, METH_VARARGS, NULL},
	{"registers", FAST(registers), METH_FASTCALL, NULL},
	{"resolve", resolve, METH_O, NULL},
	{"pages", FAST(pages), METH_FASTCALL, NULL},
	{0},
};

static struct PyModuleDef module_def = {
	.m_base = PyModuleDef_HEAD_INIT, .m_name = "memtype._quick", .m_size = -1, .m_methods = functions,
};

PyMODINIT_FUNC PyInit__quick(void)
{
	PyObject *module;

	array_struct = PyUnicode_InternFromString("__array_struct__");
	tables_type = (PyTypeObject *)PyType_FromSpec(&tables_spec);
	steps_type = (PyTypeObject *)PyType_FromSpec(&steps_spec);
	if (!array_struct || !tables_type || !steps_type)
		return NULL;
	module = PyModule_Create(&module_def);
#ifdef Py_GIL_DISABLED
	// what a call writes is its own: objects are made whole and never changed after
	if (module)
		PyUnstable_Module_SetGIL(module, Py_MOD_GIL_NOT_USED);
#endif
	return module;
}
