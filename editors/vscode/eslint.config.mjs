import tseslint from 'typescript-eslint';

export default tseslint.config(
  { ignores: ['dist'] },
  {
    files: ['src/**/*.ts'],
    extends: [tseslint.configs.recommendedTypeChecked],
    languageOptions: { parserOptions: { projectService: true } },
    rules: { eqeqeq: 'error', '@typescript-eslint/no-floating-promises': 'error' },
  },
  { files: ['scripts/**/*.mjs'], extends: [tseslint.configs.recommended] },
);
