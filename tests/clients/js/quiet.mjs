// Imported first: matrix-js-sdk logs every request and many warnings, and standard output belongs to the results.
import { format } from "node:util";

for (const level of ["trace", "debug", "info", "log", "warn"]) console[level] = () => {};
console.error = (...words) => {
    const text = format(...words);
    if (!text.startsWith("[MatrixRTC")) process.stderr.write(`${text}\n`); // calls are not what is tested here
};
